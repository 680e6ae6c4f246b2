// Something that runs kernels of native/cuda by name: a device (cuda_driver.h), or in tests a program on the CPU.
#pragma once

#include <cstdint>
#include <string>

namespace nacue {

struct KernelLaunch {
  std::string name;  // as in native/cuda/kernels.cu
  int64_t blocks = 0;
  void** arguments = nullptr;  // a pointer to each
};

class KernelRunner {
 public:
  virtual ~KernelRunner() = default;
  // Starts it on the caller's current stream and does not wait. False where it could not be started.
  virtual bool Run(const KernelLaunch& launch) = 0;
};

}  // namespace nacue
