// Step 1 of the archive check: the table of contents of a zip file in memory.
//
// Stricter than any zip reader needs to be, because LibTorch's (miniz) is laxer than most: every length lies in the
// file, the local header in front of each member says what the directory says, no two members share a byte or a name
// (LibTorch looks names up without regard to case), and nothing is encrypted, split over disks, or packed other than
// stored or deflated. What torch.jit.save writes and what ordinary zip tools make of it when they repack it passes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nacue {

struct ZipMember {
  std::string_view name;  // as it stands in the archive, which must outlive it
  uint64_t data_offset = 0;
  uint64_t stored_size = 0;  // bytes in the file
  uint64_t size = 0;         // bytes once inflated
  uint32_t crc32 = 0;        // of the inflated bytes; not verified here
  bool deflated = false;
};

// The name as LibTorch compares names: ASCII letters in lower case.
std::string FoldedName(std::string_view name);

// The members in directory order, at least one. Throws ERR_NACUE_MODEL_FORMAT.
std::vector<ZipMember> ReadZipDirectory(std::span<const uint8_t> archive);

}  // namespace nacue
