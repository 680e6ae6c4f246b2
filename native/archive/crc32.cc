// See crc32.h. Slicing (Kounavis and Berry, 2005): table k advances a byte by k further zero bytes.
#include "crc32.h"

#include <array>
#include <cstring>

namespace nacue {

namespace {

constexpr uint32_t kPolynomial = 0xedb88320;
constexpr size_t kSlices = 16;

using Tables = std::array<std::array<uint32_t, 256>, kSlices>;

constexpr Tables MakeTables() {
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t remainder = byte;
    for (int bit = 0; bit < 8; ++bit) remainder = remainder >> 1 ^ (remainder & 1) * kPolynomial;
    tables[0][byte] = remainder;
  }
  for (size_t slice = 1; slice < kSlices; ++slice) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = tables[slice - 1][byte];
      tables[slice][byte] = before >> 8 ^ tables[0][before & 0xff];
    }
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

}  // namespace

uint32_t Crc32(std::span<const uint8_t> bytes) {
  uint32_t crc = 0xffffffff;
  for (; bytes.size() >= kSlices; bytes = bytes.subspan(kSlices)) {
    std::array<uint64_t, 2> words;  // little-endian
    std::memcpy(words.data(), bytes.data(), sizeof(words));
    words[0] ^= crc;
    crc = 0;
    for (size_t i = 0; i < 8; ++i) {
      crc ^= kTables[15 - i][words[0] >> (8 * i) & 0xff] ^ kTables[7 - i][words[1] >> (8 * i) & 0xff];
    }
  }
  for (const uint8_t byte : bytes) crc = crc >> 8 ^ kTables[0][(crc ^ byte) & 0xff];
  return ~crc;
}

}  // namespace nacue
