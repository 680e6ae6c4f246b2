// Stage "bin indices": q (B, N) -> zhat = sigmoid(alpha * q) -> index in [0, M - 1], int64 (B, N).
//
// References: (a) _bin_indices_geometric (its default), _bin_indices, _bin_indices_logit; (b) Estimator.update with the
// thresholds of logspace(1e3, M). Of 0.5, the value of every zero contribution, the geometric bins put the upper side:
// its edge is 0x3EFFFFFF. A NaN lands in bin M - 1.
#include <algorithm>
#include <cmath>

#include "cuda_kernels.h"
#include "edge_search.h"
#include "pipeline.h"

namespace nacue {

namespace {

constexpr double kEpsilon = 1e-6;
constexpr double kLogitLimit = 10.0;

at::Tensor Geometric(const at::Tensor& zhat, const at::Tensor& edges, int64_t m_bins) {
  if (IsFloatOnHost(zhat)) return BinsUpTo(zhat, edges, kEpsilon, 1 - kEpsilon, m_bins);
  const at::Tensor clamped = zhat.clamp(kEpsilon, 1 - kEpsilon);
  return (at::bucketize(clamped, edges, /*out_int32=*/false, /*right=*/false) - 1).clamp(0, m_bins - 1);
}

at::Tensor Uniform(const at::Tensor& zhat, int64_t m_bins) {
  return at::floor(zhat.clamp(0.0, 1.0) * m_bins).to(at::kLong).clamp(0, m_bins - 1);
}

at::Tensor Logit(const at::Tensor& zhat, int64_t m_bins) {
  const at::Tensor z = zhat.clamp(kEpsilon, 1 - kEpsilon);
  const at::Tensor u = (at::log(z) - at::log1p(-z)).clamp(-kLogitLimit, kLogitLimit);
  return (((u + kLogitLimit) / (2 * kLogitLimit)) * m_bins).floor().to(at::kLong).clamp(0, m_bins - 1);
}

// [E_k, E_k+1), compared in float64; M - 1 of the M bins lie between the M edges, the last one stays empty.
at::Tensor OpenOod(const at::Tensor& zhat, const at::Tensor& edges, int64_t m_bins) {
  if (IsFloatOnHost(zhat)) return BinsFrom(zhat, edges, m_bins);
  const at::Tensor index = at::bucketize(zhat.to(at::kDouble), edges, /*out_int32=*/false, /*right=*/true) - 1;
  return index.clamp(0, m_bins - 1);
}

at::Tensor Squash(const at::Tensor& contributions, double alpha, Preset preset) {
  if (preset == Preset::kPytorchOod) return (contributions * alpha).sigmoid_();
  return (contributions * -alpha).exp_().add_(1).reciprocal_();
}

// 2 * (M / 2) + 1 edges, also for odd M: `left` runs from 1e-6 to 0.5 in equal ratios, the rest mirrors it.
at::Tensor GeometricEdges(int64_t m_bins, c10::Device device) {
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  const at::Tensor first = at::log10(at::scalar_tensor(kEpsilon, options));
  const at::Tensor last = at::log10(at::scalar_tensor(0.5, options));
  const at::Tensor left = at::logspace(first, last, m_bins / 2 + 1, 10.0, options);
  const at::Tensor right = 1.0 - left.flip(0);
  return at::cat({left, right.slice(0, 1)}, 0);
}

// Dense near 0.5: a_i = log_1000(1 + (sqrt(1000) - 1) i / (K - 1)) for i < K = M / 2, below and mirrored above; the
// last two edges make room for 1. In float64, as NumPy computes them.
at::Tensor OpenOodEdges(int64_t m_bins, c10::Device device) {
  constexpr double kBase = 1e3;
  const int64_t half = m_bins / 2;
  const double step = (std::sqrt(kBase) - 1) / static_cast<double>(std::max<int64_t>(half - 1, 1));
  std::vector<double> left;
  for (int64_t i = 0; i < half; ++i) {
    const double x = i == half - 1 ? std::sqrt(kBase) : 1 + static_cast<double>(i) * step;
    left.push_back(std::log(x) / std::log(kBase));
  }
  std::vector<double> edges(left.begin(), left.end() - 1);
  for (auto edge = left.rbegin(); edge != left.rend(); ++edge) edges.push_back(1 - *edge);
  edges.back() += 1e-2;
  edges.push_back(1.2);
  return at::tensor(edges, at::TensorOptions().dtype(at::kDouble)).to(device);
}

}  // namespace

at::Tensor BinEdges(Binning binning, int64_t m_bins, c10::Device device) {
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  switch (binning) {
    case Binning::kGeometric:
      return GeometricEdges(m_bins, device);
    case Binning::kUniform:
      return at::linspace(0.0, 1.0, m_bins + 1, options);
    case Binning::kLogit:
      return at::sigmoid(at::linspace(-kLogitLimit, kLogitLimit, m_bins + 1, options));
    case Binning::kOpenOod:
      return OpenOodEdges(m_bins, device);
  }
  return {};
}

at::Tensor BinIndices(const at::Tensor& contributions, const LayerOptions& layer, Preset preset, Binning binning,
                      const at::Tensor& edges) {
  const BinRecipe recipe{layer.alpha, layer.m_bins, binning, edges};
  if (auto bins = BinsInKernel(KernelsOf(contributions), contributions, recipe)) return *std::move(bins);
  const at::Tensor zhat = Squash(contributions, layer.alpha, preset);
  switch (binning) {
    case Binning::kGeometric:
      return Geometric(zhat, edges, layer.m_bins);
    case Binning::kUniform:
      return Uniform(zhat, layer.m_bins);
    case Binning::kLogit:
      return Logit(zhat, layer.m_bins);
    case Binning::kOpenOod:
      return OpenOod(zhat, edges, layer.m_bins);
  }
  return {};
}

}  // namespace nacue
