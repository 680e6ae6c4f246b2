// The queue of a CUDA device that a detector works on. Detectors on streams of their own run beside each other.
#pragma once

#include <c10/core/Event.h>
#include <c10/core/Stream.h>

#include <deque>
#include <optional>

namespace nacue {

class DeviceStream {
 public:
  // A stream of LibTorch's pool; from now on the calling thread's current one on `device`, which becomes its current
  // device. Nothing on the CPU.
  explicit DeviceStream(c10::Device device);

  // Waits until all that was queued on it has run: other threads and streams may then use the results.
  void Synchronize() const;

  // After each batch whose results nobody waits for: waits until all but the last ones have run, so that batches and
  // their memory do not pile up in front of the device.
  void KeepPace();

 private:
  std::optional<c10::Stream> stream_;
  std::deque<c10::Event> unfinished_;
};

// Of the calling thread, on a CUDA device.
c10::Stream CurrentStream(c10::Device device);

}  // namespace nacue
