// The compression function of SHA-256, twice: what sha256.cc is made of, apart so that a test can run both.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace nacue {

using Sha256State = std::array<uint32_t, 8>;
constexpr size_t kSha256BlockSize = 64;

void HashBlocksPortable(Sha256State& state, const uint8_t* data, size_t blocks);

// Only where HasShaInstructions().
void HashBlocksAccelerated(Sha256State& state, const uint8_t* data, size_t blocks);

bool HasShaInstructions();

}  // namespace nacue
