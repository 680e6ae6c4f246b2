// SHA-256 (FIPS 180-4), for the hash that binds a fitted state to its model. Any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace nacue {

// 64 hexadecimal digits, lower case.
std::string Sha256Hex(std::span<const uint8_t> bytes);

}  // namespace nacue
