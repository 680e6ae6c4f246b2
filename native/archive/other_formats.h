// Says what a file is when it is not TorchScript, and what to do about it: most "broken models" are good files of
// another kind.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_set>

namespace nacue {

// Throws ERR_NACUE_MODEL_FORMAT unless the file begins like a zip archive.
void RefuseOtherFormats(std::span<const uint8_t> file);

// The same for a zip archive, by its members: `names` are theirs without the archive's folder, folded
// (zip_directory.h).
void RefuseOtherArchives(const std::unordered_set<std::string>& names);

}  // namespace nacue
