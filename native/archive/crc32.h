// The checksum of zip files (CRC-32, polynomial 0x04c11db7 reflected), sixteen bytes at a time: 1 to 2 GB/s. LibTorch's
// own (caffe2/serialize/crc_alt.h) reads misaligned words, which the sanitizer build refuses.
#pragma once

#include <cstdint>
#include <span>

namespace nacue {

uint32_t Crc32(std::span<const uint8_t> bytes);

}  // namespace nacue
