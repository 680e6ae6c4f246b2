// Stage "coverage": bin indices (B, N) -> counts (N, M) in a fit, or the share of covered neurons (B,) in a score.
//
// References: (a) NACUE.fit (scatter_add_ over n * M + bin) and NACUE.predict (gather, phi = min(count / O*, 1), mean
// over neurons); (b) Estimator.update and ood_test, and for NAC-ME Estimator.get_score.
#include "allocate.h"
#include "pipeline.h"

namespace nacue {

at::Tensor NewCounts(int64_t neurons, int64_t m_bins, c10::Device device) {
  return Zeros({neurons, m_bins}, at::TensorOptions().dtype(at::kLong).device(device), "the counts of a layer");
}

void AddCounts(at::Tensor& counts, const at::Tensor& bin_indices) {
  const int64_t neurons = counts.size(0);
  const at::Tensor first_bin = at::arange(neurons, bin_indices.options()).mul_(counts.size(1)).view({1, neurons});
  const at::Tensor flat = (first_bin + bin_indices).flatten();
  counts.view(-1).scatter_add_(0, flat, at::ones({1}, flat.options()).expand_as(flat));
}

at::Tensor Hits(const at::Tensor& counts, const at::Tensor& bin_indices) {
  // The gathered counts keep the reference's layout, neurons outermost: the order in which the mean adds depends on it.
  return counts.gather(1, bin_indices.transpose(0, 1)).transpose(0, 1).to(at::kFloat);
}

at::Tensor NeuronCoverage(const at::Tensor& hits, int64_t o_star) {
  return at::clamp(hits / static_cast<double>(o_star), std::nullopt, 1.0);
}

at::Tensor LayerCoverage(const at::Tensor& neuron_coverage) {
  return neuron_coverage.mean(1);
}

double ModelCoverage(const at::Tensor& counts, int64_t o_star) {
  const at::Tensor covered = at::clamp(counts.to(at::kDouble) / static_cast<double>(o_star), std::nullopt, 1.0);
  return covered.sum(1).div(counts.size(1)).mean().item<double>();
}

}  // namespace nacue
