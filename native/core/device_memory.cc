// See device_memory.h.
#include "device_memory.h"

#include <c10/core/CachingDeviceAllocator.h>

#include "pass_graphs.h"

namespace nacue {

namespace {

constexpr size_t kAllSizes = 0;  // of c10's StatArray

}  // namespace

PeakMemory::PeakMemory(c10::Device device, const BlockCache& cache) : device_(device), cache_(cache) {
  if (device.is_cpu()) return;
  c10::DeviceAllocator& allocator = *c10::getDeviceAllocator(device.type());
  allocator.resetPeakStats(device.index());
  in_use_ = allocator.getDeviceStats(device.index()).allocated_bytes[kAllSizes].current;
}

size_t PeakMemory::bytes() const {
  if (device_.is_cpu()) return cache_.peak_bytes();
  const auto stats = c10::getDeviceAllocator(device_.type())->getDeviceStats(device_.index());
  return static_cast<size_t>(stats.allocated_bytes[kAllSizes].peak - in_use_);
}

void ReleaseMemory(c10::Device device) {
  if (device.is_cpu()) return;
  const auto turn = RecordingTurn();
  c10::getDeviceAllocator(device.type())->emptyCache();
}

}  // namespace nacue
