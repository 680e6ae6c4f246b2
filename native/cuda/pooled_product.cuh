// Stage "contributions": q (B, N) = scale * sum over K of z * gradient, in float32, without a tensor of the products.
//
// Bound by memory: every value is read once, by neighbouring threads from neighbouring places.
#pragma once

#include "device_values.cuh"

namespace nacue {

// Rows of K values each, (B N, K): a warp takes one. kWidth divides K.
template <typename T, int kWidth>
NACUE_DEVICE void PoolRows(const T* z, const T* gradient, float* q, int64_t rows, int64_t pooled, float scale) {
  constexpr int kWarps = kThreadsPerBlock / kWarpLanes;
  const int lane = ThreadInBlock() % kWarpLanes;
  const int64_t packs = pooled / kWidth;
  for (int64_t row = Block() * kWarps + ThreadInBlock() / kWarpLanes; row < rows; row += Blocks() * kWarps) {
    const auto* const z_row = reinterpret_cast<const Pack<T, kWidth>*>(z + row * pooled);
    const auto* const gradient_row = reinterpret_cast<const Pack<T, kWidth>*>(gradient + row * pooled);
    float sums[kWidth] = {};
    NACUE_UNROLL_4
    for (int64_t i = lane; i < packs; i += kWarpLanes) AddProducts(z_row[i], gradient_row[i], sums);
    for (int i = 1; i < kWidth; ++i) sums[0] += sums[i];
    const float sum = SumOfWarp(sums[0]);
    if (lane == 0) q[row] = sum * scale;
  }
}

// (B, K, N): a block takes kColumns * kWidth neurons of a sample, its threads in groups share out K. kWidth divides N.
template <typename T, int kWidth, int kColumns>
NACUE_DEVICE void PoolColumns(const T* z, const T* gradient, float* q, int64_t pooled, int64_t neurons, float scale) {
  constexpr int kGroups = kThreadsPerBlock / kColumns;
  NACUE_SHARED float sums[kThreadsPerBlock * kWidth];
  const int group = ThreadInBlock() / kColumns;
  const int64_t blocks_per_sample = (neurons + kColumns * kWidth - 1) / (kColumns * kWidth);
  const int64_t sample = Block() / blocks_per_sample;
  const int64_t neuron = (Block() % blocks_per_sample * kColumns + ThreadInBlock() % kColumns) * kWidth;

  float own[kWidth] = {};
  if (neuron < neurons) {
    const int64_t first = sample * pooled * neurons + neuron;
    NACUE_UNROLL_4
    for (int64_t row = group; row < pooled; row += kGroups) {
      const int64_t place = first + row * neurons;
      AddProducts(*reinterpret_cast<const Pack<T, kWidth>*>(z + place),
                  *reinterpret_cast<const Pack<T, kWidth>*>(gradient + place), own);
    }
  }
  // Values of one thread lie a block apart: no two threads of a warp then meet in a bank.
  for (int i = 0; i < kWidth; ++i) sums[i * kThreadsPerBlock + ThreadInBlock()] = own[i];
  for (int half = kGroups / 2; half > 0; half /= 2) {
    SyncBlock();
    if (group >= half) continue;
    for (int i = 0; i < kWidth; ++i) {
      float* const sum = sums + i * kThreadsPerBlock + ThreadInBlock();
      sum[0] += sum[half * kColumns];
    }
  }
  if (group > 0 || neuron >= neurons) return;
  for (int i = 0; i < kWidth; ++i)
    q[sample * neurons + neuron + i] = sums[i * kThreadsPerBlock + ThreadInBlock()] * scale;
}

// K = 1.
template <typename T>
NACUE_DEVICE void Multiply(const T* z, const T* gradient, float* q, int64_t count) {
  const int64_t step = Blocks() * kThreadsPerBlock;
  for (int64_t i = Block() * kThreadsPerBlock + ThreadInBlock(); i < count; i += step)
    q[i] = Widen(z[i]) * Widen(gradient[i]);
}

}  // namespace nacue
