// Large tensors whose size a caller chose: an allocation that fails says so.
#pragma once

#include <ATen/ATen.h>

#include <string>

namespace nacue {

// Zeros. Throws ERR_NACUE_OUT_OF_MEMORY, where LibTorch throws an error like any other; `what` begins the sentence:
// "the counts of a layer".
at::Tensor Zeros(at::IntArrayRef shape, const at::TensorOptions& options, const std::string& what);

}  // namespace nacue
