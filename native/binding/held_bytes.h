// Bytes of JavaScript that a worker reads where they lie. The facade hands over only buffers that no caller can reach
// any more; nothing is copied.
#pragma once

#include <napi.h>

#include <cstdint>
#include <span>

namespace nacue {

// A view of a Uint8Array, valid while JavaScript holds it. Throws ERR_NACUE_INTERNAL on anything else.
std::span<const uint8_t> ViewBytes(const Napi::Value& value);

// Keeps the Uint8Array from being collected. Made and destroyed on the JavaScript thread, like the task it belongs to.
class HeldBytes {
 public:
  explicit HeldBytes(const Napi::Value& value)
      : bytes_(ViewBytes(value)), reference_(Napi::Persistent(value.As<Napi::Object>())) {}
  std::span<const uint8_t> bytes() const { return bytes_; }

 private:
  std::span<const uint8_t> bytes_;
  Napi::ObjectReference reference_;
};

}  // namespace nacue
