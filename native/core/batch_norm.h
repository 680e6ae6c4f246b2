// aten::batch_norm in eval mode together with what follows it: y = activation(batch_norm(x) + added).
//
// LibTorch runs these one after the other, each from memory to memory, and its backward pass of batch norm adds up the
// gradients of weight and bias, which nobody asks for. Here it is one pass over memory in each direction, with
// LibTorch's bits: the same operations on each element, rounded in the same places.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>

namespace nacue {

enum class Activation : int64_t { kNone, kRelu, kRelu6, kHardswish };

// The arguments of aten::batch_norm, then what follows it.
struct BatchNorm {
  at::Tensor x;
  std::optional<at::Tensor> weight;
  std::optional<at::Tensor> bias;
  std::optional<at::Tensor> running_mean;
  std::optional<at::Tensor> running_var;
  bool training = false;
  double momentum = 0;
  double eps = 0;
  bool cudnn_enabled = true;
  std::optional<at::Tensor> added = {};  // of the shape of x
  bool adds_in_place = false;            // add_ instead of add: they differ where shapes or dtypes do
  Activation activation = Activation::kNone;
};

// Runs LibTorch's operators instead in training mode, on other devices, dtypes or layouts, and where the kernels here
// do not have their bits (HasBitsOfLibTorch).
at::Tensor RunBatchNorm(const BatchNorm& norm);

// Whether the kernels here, tried once on a small tensor, have the bits of LibTorch's: not on a CPU without fused
// multiply-add, for example, or when LibTorch is told to do without (ATEN_CPU_CAPABILITY).
bool HasBitsOfLibTorch(Activation activation);

}  // namespace nacue
