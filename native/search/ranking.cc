// See ranking.h.
#include "ranking.h"

#include <algorithm>

namespace nacue {

namespace {

bool IsOwn(const SearchCandidate& candidate) {
  return candidate.binning == 0 &&
         std::all_of(candidate.choice.begin(), candidate.choice.end(), [](int32_t index) { return index == 0; });
}

int64_t AbsentLayers(const SearchCandidate& candidate) {
  return std::count(candidate.choice.begin(), candidate.choice.end(), SearchCandidate::kAbsent);
}

}  // namespace

void SortByRank(std::vector<RankedCandidate>& candidates, Metric metric) {
  std::stable_sort(candidates.begin(), candidates.end(), [&](const RankedCandidate& a, const RankedCandidate& b) {
    if (a.value != b.value) return IsBetter(a.value, b.value, metric);
    if (IsOwn(a.candidate) || IsOwn(b.candidate)) return IsOwn(a.candidate) && !IsOwn(b.candidate);
    return AbsentLayers(a.candidate) > AbsentLayers(b.candidate);
  });
}

}  // namespace nacue
