// See edge_search.h. On the detector's thread and LibTorch's.
#include "edge_search.h"

#include <algorithm>
#include <array>

#include "parallel_ranges.h"

namespace nacue {

namespace {

constexpr int64_t kLanes = 16;

// How many edges come before each value. Binary search whose steps are the same for every value, so that the lanes go
// side by side and nothing has to be predicted.
template <typename T, typename ComesBefore>
std::array<int32_t, kLanes> CountEdgesBefore(const T* edges, int64_t size, const std::array<T, kLanes>& values,
                                             const ComesBefore& comes_before) {
  std::array<int32_t, kLanes> counts = {};
  for (auto rest = static_cast<int32_t>(size); rest > 0; rest /= 2) {
    const int32_t half = rest - rest / 2;
    for (size_t lane = 0; lane < kLanes; ++lane)
      counts[lane] += half * static_cast<int32_t>(comes_before(edges[counts[lane] + half - 1], values[lane]));
  }
  return counts;
}

template <typename T, typename Prepare, typename ComesBefore>
at::Tensor SearchEdges(const at::Tensor& zhat, const at::Tensor& edges, int64_t m_bins, const Prepare& prepare,
                       const ComesBefore& comes_before) {
  constexpr int64_t kValuesPerThread = 16 * 1024;
  at::Tensor index = at::empty_like(zhat, zhat.options().dtype(at::kLong));
  const auto* const value = zhat.const_data_ptr<float>();
  const auto* const edge = edges.const_data_ptr<T>();
  auto* const bin = index.mutable_data_ptr<int64_t>();
  ForEachRange(zhat.numel(), kValuesPerThread, [&](int64_t /*range*/, int64_t begin, int64_t end) {
    std::array<T, kLanes> prepared = {};
    for (int64_t i = begin; i < end; i += kLanes) {
      const int64_t lanes = std::min(kLanes, end - i);
      for (int64_t lane = 0; lane < lanes; ++lane) prepared[static_cast<size_t>(lane)] = prepare(value[i + lane]);
      const auto counts = CountEdgesBefore(edge, edges.numel(), prepared, comes_before);
      for (int64_t lane = 0; lane < lanes; ++lane)
        bin[i + lane] = std::clamp<int64_t>(counts[static_cast<size_t>(lane)] - 1, 0, m_bins - 1);
    }
  });
  return index;
}

}  // namespace

bool IsFloatOnHost(const at::Tensor& zhat) {
  return zhat.device().is_cpu() && zhat.scalar_type() == at::kFloat && zhat.is_non_overlapping_and_dense();
}

at::Tensor BinsUpTo(const at::Tensor& zhat, const at::Tensor& edges, float lowest, float highest, int64_t m_bins) {
  return SearchEdges<float>(
      zhat, edges, m_bins, [&](float value) { return std::min(std::max(value, lowest), highest); },
      [](float edge, float value) { return !(edge >= value); });
}

at::Tensor BinsFrom(const at::Tensor& zhat, const at::Tensor& edges, int64_t m_bins) {
  return SearchEdges<double>(
      zhat, edges, m_bins, [](float value) { return static_cast<double>(value); },
      [](double edge, double value) { return !(edge > value); });
}

}  // namespace nacue
