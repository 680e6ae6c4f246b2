// See sha256.h. 1.4 GB/s where the processor has instructions for it, else 0.3 GB/s.
#include "sha256.h"

#include <cstring>

#include "sha256_blocks.h"

namespace nacue {

namespace {

// Square roots of the first eight primes: FIPS 180-4, section 5.3.3.
constexpr Sha256State kInitial = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

std::string Hexadecimal(const Sha256State& state) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const uint32_t word : state) {
    for (int shift = 28; shift >= 0; shift -= 4) text += kDigits[word >> shift & 15];
  }
  return text;
}

}  // namespace

std::string Sha256Hex(std::span<const uint8_t> bytes) {
  static const bool accelerated = HasShaInstructions();
  const auto hash_blocks = accelerated ? HashBlocksAccelerated : HashBlocksPortable;
  Sha256State state = kInitial;
  const size_t whole_blocks = bytes.size() / kSha256BlockSize;
  hash_blocks(state, bytes.data(), whole_blocks);

  // The rest, a one bit, zeros, and the length in bits at the end of a block.
  const auto rest = bytes.subspan(whole_blocks * kSha256BlockSize);
  std::array<uint8_t, 2 * kSha256BlockSize> padded{};
  if (!rest.empty()) std::memcpy(padded.data(), rest.data(), rest.size());
  padded[rest.size()] = 0x80;
  const uint64_t bits = __builtin_bswap64(uint64_t{bytes.size()} * 8);
  const size_t padded_blocks = rest.size() + 1 + sizeof(bits) <= kSha256BlockSize ? 1 : 2;
  std::memcpy(padded.data() + padded_blocks * kSha256BlockSize - sizeof(bits), &bits, sizeof(bits));
  hash_blocks(state, padded.data(), padded_blocks);
  return Hexadecimal(state);
}

}  // namespace nacue
