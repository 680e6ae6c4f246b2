// Memory of the device that a detector runs on: its peak, and giving back what LibTorch keeps. Detector's thread.
#pragma once

#include <c10/core/Device.h>

#include <cstddef>

#include "block_cache.h"

namespace nacue {

// The most bytes in use at once since it was made, over what was in use then. On the CPU that of the cache's last
// scope; on CUDA of all detectors on the device.
class PeakMemory {
 public:
  PeakMemory(c10::Device device, const BlockCache& cache);
  size_t bytes() const;

 private:
  const c10::Device device_;
  const BlockCache& cache_;
  int64_t in_use_ = 0;
};

// Free blocks that LibTorch keeps for later go back to the driver.
void ReleaseMemory(c10::Device device);

}  // namespace nacue
