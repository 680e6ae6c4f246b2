// See device.h. libtorch_cuda registers itself when lib/addon/open.ts has opened it; without it no device is counted.
#include "device.h"

#include <ATen/detail/CUDAHooksInterface.h>

#include "error.h"

namespace nacue {

namespace {

int64_t CudaDevices() {
  const auto& hooks = at::detail::getCUDAHooks();
  return hooks.hasCUDA() ? hooks.deviceCount() : 0;
}

}  // namespace

c10::Device ResolveDevice(const std::string& name) {
  if (name == "cpu") return c10::Device(c10::kCPU);
  const int64_t devices = CudaDevices();
  if (name == "auto") return devices > 0 ? c10::Device(c10::kCUDA, 0) : c10::Device(c10::kCPU);
  const int64_t index = name == "cuda" ? 0 : std::stoll(name.substr(5));
  if (index >= devices) {
    throw Error("ERR_NACUE_DEVICE_UNAVAILABLE",
                "device '" + name + "' cannot be used: LibTorch sees " + std::to_string(devices) + " CUDA devices");
  }
  return c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index));
}

std::string DeviceName(c10::Device device) {
  return device.str();
}

}  // namespace nacue
