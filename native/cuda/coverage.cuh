// Stage "coverage": bin indices (B, N) -> counts (N, M) in a fit, or the mean of min(count / O*, 1) (B,) in a score.
#pragma once

#include <math.h>

#include "device_values.cuh"

namespace nacue {

// Sums of integers: the order does not matter. Neighbouring threads have other neurons, so seldom the same count.
NACUE_DEVICE void CountBins(const int64_t* bins, int64_t* counts, int64_t samples, int64_t neurons, int64_t m_bins) {
  const int64_t step = Blocks() * kThreadsPerBlock;
  for (int64_t i = Block() * kThreadsPerBlock + ThreadInBlock(); i < samples * neurons; i += step)
    AddAtomically(counts + i % neurons * m_bins + bins[i], 1);
}

// A block takes one sample and adds always in the same order.
NACUE_DEVICE void CoverSample(const int64_t* counts, const int64_t* bins, float* coverage, int64_t neurons,
                              int64_t m_bins, float per_o_star, float per_neuron) {
  const int64_t* const sample_bins = bins + Block() * neurons;
  float sum = 0.0F;
  for (int64_t neuron = ThreadInBlock(); neuron < neurons; neuron += kThreadsPerBlock) {
    const auto hits = static_cast<float>(counts[neuron * m_bins + sample_bins[neuron]]);
    sum += fminf(hits * per_o_star, 1.0F);
  }
  const float total = SumOfBlock(sum);
  if (ThreadInBlock() == 0) coverage[Block()] = total * per_neuron;
}

}  // namespace nacue
