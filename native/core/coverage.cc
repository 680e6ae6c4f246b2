// Stage "coverage": bin indices (B, N) -> counts (N, M) in a fit, or the share of covered neurons (B,) in a score.
//
// References: (a) NACUE.fit (scatter_add_ over n * M + bin) and NACUE.predict (gather, phi = min(count / O*, 1), mean
// over neurons); (b) Estimator.update and ood_test, and for NAC-ME Estimator.get_score.
#include <algorithm>

#include "allocate.h"
#include "cuda_kernels.h"
#include "parallel_ranges.h"
#include "pipeline.h"

namespace nacue {

namespace {

void ScatterCounts(at::Tensor& counts, const at::Tensor& bin_indices) {
  const int64_t neurons = counts.size(0);
  const at::Tensor first_bin = at::arange(neurons, bin_indices.options()).mul_(counts.size(1)).view({1, neurons});
  const at::Tensor flat = (first_bin + bin_indices).flatten();
  counts.view(-1).scatter_add_(0, flat, at::ones({1}, flat.options()).expand_as(flat));
}

// The gathered counts keep the reference's layout, neurons outermost: the order in which the mean adds depends on it.
at::Tensor GatherHits(const at::Tensor& counts, const at::Tensor& bin_indices) {
  return counts.gather(1, bin_indices.transpose(0, 1)).transpose(0, 1).to(at::kFloat);
}

// What the loops below take; the operators above do the rest.
bool IsOnHost(const at::Tensor& counts, const at::Tensor& bin_indices) {
  const auto is_plain = [](const at::Tensor& tensor) {
    return tensor.device().is_cpu() && tensor.scalar_type() == at::kLong && tensor.dim() == 2 && tensor.is_contiguous();
  };
  return is_plain(counts) && is_plain(bin_indices) && bin_indices.size(1) == counts.size(0);
}

// Each neuron on one thread only. Neurons within samples: bin indices lie that way.
template <typename Visit>
void ForEachBin(const at::Tensor& bin_indices, const Visit& visit) {
  constexpr int64_t kBinsPerTask = 16 * 1024;
  const int64_t samples = bin_indices.size(0);
  const int64_t neurons = bin_indices.size(1);
  const auto* const bins = bin_indices.const_data_ptr<int64_t>();
  const int64_t neurons_per_task = kBinsPerTask / std::max<int64_t>(samples, 1) + 1;
  ForEachRange(neurons, neurons_per_task, [&](int64_t /*range*/, int64_t begin, int64_t end) {
    for (int64_t sample = 0; sample < samples; ++sample)
      for (int64_t neuron = begin; neuron < end; ++neuron) visit(sample, neuron, bins[sample * neurons + neuron]);
  });
}

// In the layout of GatherHits.
template <typename Value>
at::Tensor GatherOnHost(const at::Tensor& counts, const at::Tensor& bin_indices, const Value& value_of) {
  const int64_t samples = bin_indices.size(0);
  const int64_t m_bins = counts.size(1);
  const at::Tensor gathered = at::empty({bin_indices.size(1), samples}, counts.options().dtype(at::kFloat));
  const auto* const count = counts.const_data_ptr<int64_t>();
  auto* const values = gathered.mutable_data_ptr<float>();
  ForEachBin(bin_indices, [&](int64_t sample, int64_t neuron, int64_t bin) {
    values[neuron * samples + sample] = value_of(static_cast<float>(count[neuron * m_bins + bin]));
  });
  return gathered.transpose(0, 1);
}

}  // namespace

at::Tensor NewCounts(int64_t neurons, int64_t m_bins, c10::Device device) {
  return Zeros({neurons, m_bins}, at::TensorOptions().dtype(at::kLong).device(device), "the counts of a layer");
}

void AddCounts(at::Tensor& counts, const at::Tensor& bin_indices) {
  if (CountBinsInKernel(KernelsOf(counts), counts, bin_indices)) return;
  if (!IsOnHost(counts, bin_indices)) return ScatterCounts(counts, bin_indices);
  auto* const count = counts.mutable_data_ptr<int64_t>();
  const int64_t m_bins = counts.size(1);
  ForEachBin(bin_indices, [&](int64_t /*sample*/, int64_t neuron, int64_t bin) { ++count[neuron * m_bins + bin]; });
}

at::Tensor Hits(const at::Tensor& counts, const at::Tensor& bin_indices) {
  if (!IsOnHost(counts, bin_indices)) return GatherHits(counts, bin_indices);
  return GatherOnHost(counts, bin_indices, [](float hits) { return hits; });
}

at::Tensor NeuronCoverage(const at::Tensor& hits, int64_t o_star) {
  return (hits / static_cast<double>(o_star)).clamp_max_(1.0);
}

at::Tensor NeuronCoverage(const at::Tensor& counts, const at::Tensor& bin_indices, int64_t o_star) {
  if (!IsOnHost(counts, bin_indices)) return NeuronCoverage(GatherHits(counts, bin_indices), o_star);
  const auto divisor = static_cast<float>(o_star);
  return GatherOnHost(counts, bin_indices, [&](float hits) { return std::min(hits / divisor, 1.0F); });
}

at::Tensor LayerCoverage(const at::Tensor& neuron_coverage) {
  return neuron_coverage.mean(1);
}

at::Tensor LayerCoverage(const at::Tensor& counts, const at::Tensor& bin_indices, int64_t o_star) {
  if (auto coverage = CoverageInKernel(KernelsOf(counts), counts, bin_indices, o_star)) return *std::move(coverage);
  return LayerCoverage(NeuronCoverage(counts, bin_indices, o_star));
}

double ModelCoverage(const at::Tensor& counts, int64_t o_star) {
  const at::Tensor covered = at::clamp(counts.to(at::kDouble) / static_cast<double>(o_star), std::nullopt, 1.0);
  return covered.sum(1).div(counts.size(1)).mean().item<double>();
}

}  // namespace nacue
