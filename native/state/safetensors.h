// The container of the state file: an 8-byte length, a JSON header, then the bytes of the tensors.
//
// Stricter than the format where it leaves room: the header takes at most 1 MiB and holds no more than the limits
// below,
// `__metadata__` and each tensor are there once, and the tensors fill what follows the header from its first to its
// last byte, in whatever order the header names them. What is beyond a limit is refused before it takes memory, so that
// a reader needs at most the header's size and 512 KiB. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace nacue {

constexpr size_t kMaxSafetensorsHeader = 1 << 20;
constexpr size_t kMaxSafetensorsTensors = 2048;  // counts and edges of 1024 layers
constexpr size_t kMaxSafetensorsMetadata = 32;   // entries; a state has 20
constexpr size_t kMaxSafetensorsDimensions = 8;

using SafetensorsMetadata = std::map<std::string, std::string, std::less<>>;

struct SafetensorsTensor {
  std::string dtype;
  std::vector<int64_t> shape;
  std::span<const uint8_t> bytes;  // little-endian, row-major, at any address
};

struct Safetensors {
  SafetensorsMetadata metadata;
  std::map<std::string, SafetensorsTensor, std::less<>> tensors;
};

// The spans of the result point into `file`. Throws ERR_NACUE_STATE_FORMAT.
Safetensors ReadSafetensors(std::span<const uint8_t> file);

struct NamedTensor {
  std::string name;
  SafetensorsTensor tensor;
};

// In the order given; the first tensor begins at a multiple of 8. Equal input gives equal bytes. Names, metadata and
// shapes are not checked; a header over 1 MiB throws ERR_NACUE_STATE_INVALID.
std::vector<uint8_t> WriteSafetensors(const SafetensorsMetadata& metadata, const std::vector<NamedTensor>& tensors);

}  // namespace nacue
