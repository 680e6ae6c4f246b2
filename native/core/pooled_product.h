// Part of the stage "contributions": z * gradient summed or averaged over whole dimensions, without the product of the
// whole batch. Operands may lie on any device; the two products are those of the CPU (cuda_kernels.h has the other), on
// the detector's thread and LibTorch's.
#pragma once

#include <ATen/ATen.h>

#include <optional>

#include "options.h"

namespace nacue {

// z and gradient as they lie in memory: (B, N, K) or, neurons innermost, (B, K, N); contiguous. K is pooled.
struct PooledOperands {
  at::Tensor z;
  at::Tensor gradient;
  bool neurons_innermost = false;
  bool averages = false;  // else sums

  int64_t samples() const { return z.size(0); }
  int64_t neurons() const { return z.size(neurons_innermost ? 2 : 1); }
  int64_t pooled() const { return z.size(neurons_innermost ? 1 : 2); }
};

// Nothing where `reduce` of preset (a) does something else, and where the two are laid out in other ways.
std::optional<PooledOperands> PooledOperandsOf(const at::Tensor& z, const at::Tensor& gradient, Reduce reduce);

// Those of a reduce that leaves every element a neuron: K = 1.
std::optional<PooledOperands> UnpooledOperandsOf(const at::Tensor& z, const at::Tensor& gradient, Reduce reduce);

// (B, N), the bits of LibTorch's product and mean of the whole batch. Nothing where those cannot be had sample by
// sample.
std::optional<at::Tensor> ExactPooledProduct(const PooledOperands& operands);

// (B, N) float32, products and sums in float32. Of float32 or bfloat16 operands.
at::Tensor FastPooledProduct(const PooledOperands& operands);

}  // namespace nacue
