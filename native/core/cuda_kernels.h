// The stages after the backward pass on CUDA by kernels of our own (native/cuda), each in one launch, with no tensors
// in between and no waiting for the device. Each gives nothing, or false, where there are no kernels or the tensors are
// not what they take: the caller then goes on with LibTorch's operators, which give the same up to the order of sums.
//
// Detector's thread, on LibTorch's current stream.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "kernel_runner.h"
#include "options.h"
#include "pooled_product.h"

namespace nacue {

// Those for the device of the tensor; null on the CPU, without a driver or an image that it takes, and where
// NACUE_CUDA_KERNELS is 0.
KernelRunner* KernelsOf(const at::Tensor& tensor);

// q (B, N) float32, of float32 or bfloat16 operands.
std::optional<at::Tensor> PooledProductInKernel(KernelRunner* kernels, const PooledOperands& operands);

// What BinIndices does with q.
struct BinRecipe {
  double alpha;
  int64_t m_bins;
  Binning binning;
  const at::Tensor& edges;
};
std::optional<at::Tensor> BinsInKernel(KernelRunner* kernels, const at::Tensor& contributions, const BinRecipe& recipe);

// Adds (B, N) bin indices to (N, M) counts.
bool CountBinsInKernel(KernelRunner* kernels, at::Tensor& counts, const at::Tensor& bin_indices);

// Mean over the neurons of min(count / O*, 1): (B,), the same bits each time.
std::optional<at::Tensor> CoverageInKernel(KernelRunner* kernels, const at::Tensor& counts,
                                           const at::Tensor& bin_indices, int64_t o_star);

// (B,) bool of (B, ...) float32 or bfloat16.
std::optional<at::Tensor> FiniteRowsInKernel(KernelRunner* kernels, const at::Tensor& tensor);

// All that the above may run.
const std::vector<const char*>& KernelNames();

}  // namespace nacue
