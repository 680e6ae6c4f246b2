// Reads little-endian numbers and byte runs in order and never past the end: what runs out refuses the model instead.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "refuse_model.h"

namespace nacue {

class ByteReader {
 public:
  // `name` is what the error message calls the bytes; it must outlive the reader, as the bytes must.
  ByteReader(std::span<const uint8_t> bytes, std::string_view name) : bytes_(bytes), name_(name) {}

  size_t position() const { return position_; }
  size_t remaining() const { return bytes_.size() - position_; }

  // x86-64 only: the machine's order is the file's.
  template <typename Number>
  Number Read() {
    Number number;
    std::memcpy(&number, Take(sizeof(Number)).data(), sizeof(Number));
    return number;
  }

  std::span<const uint8_t> Take(uint64_t count) {
    if (count > remaining()) RefuseDamaged(std::string(name_) + " ends too early");
    const auto taken = bytes_.subspan(position_, count);
    position_ += count;
    return taken;
  }

  std::string_view TakeText(uint64_t count) {
    const auto taken = Take(count);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }

  // The text up to the next newline, which is skipped.
  std::string_view TakeLine() {
    const void* newline = remaining() == 0 ? nullptr : std::memchr(bytes_.data() + position_, '\n', remaining());
    if (newline == nullptr) RefuseDamaged(std::string(name_) + " ends too early");
    const auto line = TakeText(static_cast<const uint8_t*>(newline) - (bytes_.data() + position_));
    ++position_;
    return line;
  }

 private:
  std::span<const uint8_t> bytes_;
  std::string_view name_;
  size_t position_ = 0;
};

}  // namespace nacue
