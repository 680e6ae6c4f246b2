// Step 1a of the archive check: where the zip directory lies, from the records at the end of the file.
//
// Only one layout passes, the one in which every reader finds the same directory: directory, zip64 record and locator
// (PyTorch always writes them), end record, end of file.
#pragma once

#include <cstdint>
#include <span>

namespace nacue {

// In a field of 32 bits: "see the zip64 record".
inline constexpr uint32_t kInZip64Record = 0xffffffff;

struct DirectoryPlace {
  uint64_t offset, size, count;
};

// `size` bytes at `offset` lie in the archive and have room for `count` entries. Throws ERR_NACUE_MODEL_FORMAT.
DirectoryPlace FindZipDirectory(std::span<const uint8_t> archive);

}  // namespace nacue
