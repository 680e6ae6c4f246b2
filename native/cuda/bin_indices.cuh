// Stage "bin indices": q -> index in [0, M - 1], with the arithmetic of LibTorch's operators on CUDA: what they do in
// float32 or float64 is done so here, and x / c is x * (1 / c).
#pragma once

#include <math.h>

#include "device_values.cuh"

namespace nacue {

constexpr double kClampEpsilon = 1e-6;
constexpr float kLogitEnd = 10.0F;

NACUE_DEVICE float Squash(float contribution, float alpha) {
  return 1.0F / (1.0F + expf(-(contribution * alpha)));
}

// A NaN stays one.
NACUE_DEVICE float Clamp(float value, float lowest, float highest) {
  if (value != value) return value;
  return fminf(fmaxf(value, lowest), highest);
}

NACUE_DEVICE float ClampInside(float zhat) {
  return Clamp(zhat, static_cast<float>(kClampEpsilon), static_cast<float>(1 - kClampEpsilon));
}

NACUE_DEVICE int64_t ClampBin(int64_t index, int64_t m_bins) {
  return index < 0 ? 0 : (index < m_bins ? index : m_bins - 1);
}

// How many of ascending edges come before the value; all of them before a NaN.
template <typename T, typename ComesBefore>
NACUE_DEVICE int64_t CountEdges(const T* edges, int64_t size, const ComesBefore& comes_before) {
  int64_t begin = 0;
  for (int64_t end = size; begin < end;) {
    const int64_t middle = begin + (end - begin) / 2;
    if (comes_before(edges[middle])) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return begin;
}

// (E_k, E_k+1]
struct GeometricBin {
  const float* edges;
  int64_t edge_count;

  NACUE_DEVICE int64_t operator()(float zhat, int64_t m_bins) const {
    const float value = ClampInside(zhat);
    return ClampBin(CountEdges(edges, edge_count, [=](float edge) { return !(edge >= value); }) - 1, m_bins);
  }
};

// [E_k, E_k+1)
struct OpenOodBin {
  const double* edges;
  int64_t edge_count;

  NACUE_DEVICE int64_t operator()(float zhat, int64_t m_bins) const {
    const double value = zhat;
    return ClampBin(CountEdges(edges, edge_count, [=](double edge) { return !(edge > value); }) - 1, m_bins);
  }
};

// Of a NaN 0, as LibTorch's conversion makes it on CUDA.
NACUE_DEVICE int64_t BinOf(float place, int64_t m_bins) {
  return place != place ? 0 : ClampBin(static_cast<int64_t>(floorf(place)), m_bins);
}

struct UniformBin {
  NACUE_DEVICE int64_t operator()(float zhat, int64_t m_bins) const {
    return BinOf(Clamp(zhat, 0.0F, 1.0F) * static_cast<float>(m_bins), m_bins);
  }
};

struct LogitBin {
  NACUE_DEVICE int64_t operator()(float zhat, int64_t m_bins) const {
    constexpr float kPerLogit = 1.0F / (2 * kLogitEnd);
    const float z = ClampInside(zhat);
    const float u = Clamp(logf(z) - log1pf(-z), -kLogitEnd, kLogitEnd);
    return BinOf((u + kLogitEnd) * kPerLogit * static_cast<float>(m_bins), m_bins);
  }
};

template <typename Bin>
NACUE_DEVICE void FindBins(const float* q, int64_t* bins, int64_t count, float alpha, int64_t m_bins, const Bin& bin) {
  const int64_t step = Blocks() * kThreadsPerBlock;
  for (int64_t i = Block() * kThreadsPerBlock + ThreadInBlock(); i < count; i += step)
    bins[i] = bin(Squash(q[i], alpha), m_bins);
}

}  // namespace nacue
