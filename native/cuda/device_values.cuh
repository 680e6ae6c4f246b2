// Values as they lie in tensors, several at a time, and sums over the threads of a warp or a block.
#pragma once

#include "kernel_language.h"

namespace nacue {

struct Bfloat16 {
  uint16_t bits;
};

NACUE_DEVICE float Widen(float value) {
  return value;
}
NACUE_DEVICE float Widen(Bfloat16 value) {
  return FloatOf(static_cast<uint32_t>(value.bits) << 16);
}

NACUE_DEVICE bool IsFinite(float value) {
  constexpr uint32_t kExponent = 0x7F800000U;
  return (BitsOf(value) & kExponent) != kExponent;
}

// One load of the memory.
template <typename T, int kWidth>
struct alignas(sizeof(T) * kWidth) Pack {
  T values[kWidth];
};

// sums[i] += z[i] * gradient[i]
template <typename T, int kWidth>
NACUE_DEVICE void AddProducts(const Pack<T, kWidth>& z, const Pack<T, kWidth>& gradient, float* sums) {
  NACUE_UNROLL
  for (int i = 0; i < kWidth; ++i) sums[i] += Widen(z.values[i]) * Widen(gradient.values[i]);
}

// In the first lane. The order of addition is always the same.
NACUE_DEVICE float SumOfWarp(float value) {
  for (int offset = kWarpLanes / 2; offset > 0; offset /= 2) value += FromLaneBelow(value, offset);
  return value;
}

// In the first thread.
NACUE_DEVICE float SumOfBlock(float value) {
  NACUE_SHARED float warp_sums[kThreadsPerBlock / kWarpLanes];
  const int lane = ThreadInBlock() % kWarpLanes;
  const float warp_sum = SumOfWarp(value);
  if (lane == 0) warp_sums[ThreadInBlock() / kWarpLanes] = warp_sum;
  SyncBlock();
  return SumOfWarp(lane < kThreadsPerBlock / kWarpLanes ? warp_sums[lane] : 0.0F);
}

}  // namespace nacue
