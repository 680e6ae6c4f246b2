// aten::max_pool2d where no gradient goes through it. LibTorch's CPU kernel also writes the place of each maximum, one
// element at a time where channels are planes: a tenth of a pass through ResNet-18. This one does not. Same bits: the
// elements of a window are compared in the same order, NaN wins.
#pragma once

#include <ATen/ATen.h>

namespace nacue {

// LibTorch's, where a gradient may be asked for, on other devices, dtypes or layouts, and for arguments that are wrong.
at::Tensor MaxPool2d(const at::Tensor& input, at::IntArrayRef kernel_size, at::IntArrayRef stride,
                     at::IntArrayRef padding, at::IntArrayRef dilation, bool ceil_mode);

}  // namespace nacue
