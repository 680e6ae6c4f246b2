// Stage "bin indices": q (B, N) -> zhat = sigmoid(alpha * q) -> index in [0, M - 1], int64 (B, N).
//
// Reference: _bin_indices_geometric (its default), _bin_indices, _bin_indices_logit. Of 0.5, the value of every zero
// contribution, the geometric bins put the upper side: its edge is 0x3EFFFFFF. A NaN lands in bin M - 1.
#include "pipeline.h"

namespace nacue {

namespace {

constexpr double kEpsilon = 1e-6;
constexpr double kLogitLimit = 10.0;

at::Tensor Geometric(const at::Tensor& zhat, const at::Tensor& edges) {
  return at::bucketize(zhat.clamp(kEpsilon, 1 - kEpsilon), edges, /*out_int32=*/false, /*right=*/false) - 1;
}

at::Tensor Uniform(const at::Tensor& zhat, int64_t m_bins) {
  return at::floor(zhat.clamp(0.0, 1.0) * m_bins).to(at::kLong);
}

at::Tensor Logit(const at::Tensor& zhat, int64_t m_bins) {
  const at::Tensor z = zhat.clamp(kEpsilon, 1 - kEpsilon);
  const at::Tensor u = (at::log(z) - at::log1p(-z)).clamp(-kLogitLimit, kLogitLimit);
  return (((u + kLogitLimit) / (2 * kLogitLimit)) * m_bins).floor().clamp(0, m_bins - 1).to(at::kLong);
}

}  // namespace

// 2 * (M / 2) + 1 edges, also for odd M: `left` runs from 1e-6 to 0.5 in equal ratios, the rest mirrors it.
at::Tensor GeometricEdges(int64_t m_bins, c10::Device device) {
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  const at::Tensor first = at::log10(at::scalar_tensor(kEpsilon, options));
  const at::Tensor last = at::log10(at::scalar_tensor(0.5, options));
  const at::Tensor left = at::logspace(first, last, m_bins / 2 + 1, 10.0, options);
  const at::Tensor right = 1.0 - left.flip(0);
  return at::cat({left, right.slice(0, 1)}, 0);
}

at::Tensor BinIndices(const at::Tensor& contributions, const LayerOptions& layer, Binning binning,
                      const at::Tensor& edges) {
  const at::Tensor zhat = at::sigmoid(contributions * layer.alpha);
  at::Tensor index;
  switch (binning) {
    case Binning::kGeometric:
      index = Geometric(zhat, edges);
      break;
    case Binning::kUniform:
      index = Uniform(zhat, layer.m_bins);
      break;
    case Binning::kLogit:
      index = Logit(zhat, layer.m_bins);
      break;
  }
  return index.clamp(0, layer.m_bins - 1);
}

}  // namespace nacue
