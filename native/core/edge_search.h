// Part of the stage "bin indices": at::bucketize(zhat, edges) - 1, kept in [0, M - 1], in one loop on the host.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

namespace nacue {

// What the loops take; LibTorch's operators do the rest.
bool IsFloatOnHost(const at::Tensor& zhat);

// (E_k, E_k+1] of float32 edges, of zhat clamped to [lowest, highest]; with [E_k, E_k+1) of float64 edges. Edges
// ascend. A NaN lies beyond the last edge. int64, in the layout of zhat.
at::Tensor BinsUpTo(const at::Tensor& zhat, const at::Tensor& edges, float lowest, float highest, int64_t m_bins);
at::Tensor BinsFrom(const at::Tensor& zhat, const at::Tensor& edges, int64_t m_bins);

}  // namespace nacue
