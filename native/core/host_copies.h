// Between the host and the device of a detector, with as few waits as possible. What is on the host already is handed
// on.
#pragma once

#include <ATen/ATen.h>

#include <vector>

namespace nacue {

// Tensors of one device on the host: all copies are queued, then there is one wait. Undefined ones stay so.
std::vector<at::Tensor> Download(const std::vector<at::Tensor>& tensors);

// A tensor of the host on `device`, without a wait.
at::Tensor Upload(const at::Tensor& host, c10::Device device);

}  // namespace nacue
