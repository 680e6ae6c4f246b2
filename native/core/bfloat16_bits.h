// bfloat16 in loops of our own: the upper half of a float.
#pragma once

#include <bit>
#include <cstdint>

#include "wide_vectors.h"

namespace nacue {

struct Bfloat16Bits {
  uint16_t bits;
};

NACUE_INTO_CALLER float Widen(float value) {
  return value;
}
NACUE_INTO_CALLER float Widen(Bfloat16Bits value) {
  return std::bit_cast<float>(uint32_t{value.bits} << 16);
}

}  // namespace nacue
