// Gives LibTorch an archive that lies in memory. LibTorch's own adapter for that (MemoryReadAdapter) trusts the offsets
// it is given (pytorch#185440); this one does not.
#pragma once

#include <caffe2/serialize/read_adapter_interface.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>

namespace nacue {

class ArchiveBytes : public caffe2::serialize::ReadAdapterInterface {
 public:
  // The bytes must outlive the adapter.
  explicit ArchiveBytes(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  size_t size() const override { return bytes_.size(); }
  size_t read(uint64_t position, void* buffer, size_t count, const char* /*what*/) const override {
    if (position >= bytes_.size()) return 0;
    const size_t readable = std::min<size_t>(count, bytes_.size() - position);
    std::memcpy(buffer, bytes_.data() + position, readable);
    return readable;
  }

 private:
  std::span<const uint8_t> bytes_;
};

}  // namespace nacue
