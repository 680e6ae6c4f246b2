// See host_copies.h. Detector's thread.
#include "host_copies.h"

#include <optional>

#include "device_stream.h"

namespace nacue {

std::vector<at::Tensor> Download(const std::vector<at::Tensor>& tensors) {
  std::optional<c10::Device> source;
  std::vector<at::Tensor> copies;
  for (const at::Tensor& tensor : tensors) {
    if (!tensor.defined() || tensor.device().is_cpu()) {
      copies.push_back(tensor);
      continue;
    }
    source = tensor.device();
    const auto pinned = tensor.options().device(at::kCPU).pinned_memory(true);
    copies.push_back(at::empty(tensor.sizes(), pinned).copy_(tensor, /*non_blocking=*/true));
  }
  if (source) CurrentStream(*source).synchronize();
  return copies;
}

at::Tensor Upload(const at::Tensor& host, c10::Device device) {
  if (device.is_cpu()) return host;
  return host.pin_memory().to(device, /*non_blocking=*/true);
}

}  // namespace nacue
