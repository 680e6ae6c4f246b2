// Which device a name means here and now.
#pragma once

#include <c10/core/Device.h>

#include <string>

namespace nacue {

// "cpu", "cuda", "cuda:N" or "auto" (the first CUDA device if there is a usable one, else the CPU). Throws
// ERR_NACUE_DEVICE_UNAVAILABLE for a CUDA device that cannot be used.
c10::Device ResolveDevice(const std::string& name);

// "cpu" or "cuda:N"
std::string DeviceName(c10::Device device);

}  // namespace nacue
