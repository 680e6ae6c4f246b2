// See device_stream.h. Through LibTorch's registry of devices: nothing of libtorch_cuda is linked.
#include "device_stream.h"

#include <c10/core/impl/VirtualGuardImpl.h>

namespace nacue {

DeviceStream::DeviceStream(c10::Device device) {
  if (device.is_cpu()) return;
  const c10::impl::VirtualGuardImpl devices(device.type());
  devices.setDevice(device);
  stream_ = devices.getStreamFromGlobalPool(device);
  devices.exchangeStream(*stream_);
}

void DeviceStream::Synchronize() const {
  if (stream_) stream_->synchronize();
}

void DeviceStream::KeepPace() {
  constexpr size_t kMostUnfinished = 2;
  if (!stream_) return;
  unfinished_.emplace_back(stream_->device_type()).record(*stream_);
  if (unfinished_.size() <= kMostUnfinished) return;
  unfinished_.front().synchronize();
  unfinished_.pop_front();
}

c10::Stream CurrentStream(c10::Device device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStream(device);
}

}  // namespace nacue
