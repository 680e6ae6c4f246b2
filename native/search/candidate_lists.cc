// See candidate_lists.h. No LibTorch.
#include "candidate_lists.h"

#include <algorithm>

#include "search_options.h"

namespace nacue {

size_t CountCombinations(const CandidateLists& lists, const std::vector<std::vector<bool>>& subsets, size_t limit) {
  size_t total = 0;
  for (const auto& subset : subsets) {
    size_t product = 1;
    for (size_t layer = 0; layer < lists.size() && product < limit; ++layer)
      product *= subset[layer] ? std::max<size_t>(lists[layer].size(), 1) : 1;
    total += product;
    if (total >= limit) return limit;
  }
  return total;
}

std::vector<std::vector<int32_t>> ListCombinations(const CandidateLists& lists,
                                                   const std::vector<std::vector<bool>>& subsets) {
  std::vector<std::vector<int32_t>> combinations;
  for (const auto& subset : subsets) {
    std::vector<size_t> position(lists.size(), 0);
    for (bool is_done = false; !is_done;) {
      std::vector<int32_t>& choice = combinations.emplace_back(lists.size(), SearchCandidate::kAbsent);
      is_done = true;
      for (size_t layer = 0; layer < lists.size(); ++layer)
        if (subset[layer]) choice[layer] = lists[layer][position[layer]];
      for (size_t layer = 0; layer < lists.size() && is_done; ++layer) {
        if (!subset[layer]) continue;
        is_done = ++position[layer] == lists[layer].size();
        if (is_done) position[layer] = 0;
      }
    }
  }
  return combinations;
}

CandidateLists Shorten(const CandidateLists& lists, const std::vector<std::vector<bool>>& subsets, size_t limit) {
  const auto shortened = [&](size_t length) {
    CandidateLists result;
    for (const auto& list : lists)
      result.emplace_back(list.begin(), list.begin() + static_cast<int64_t>(std::min(list.size(), length)));
    return result;
  };
  size_t longest = 1;
  for (const auto& list : lists) longest = std::max(longest, list.size());
  size_t length = 1;
  while (length < longest && CountCombinations(shortened(length + 1), subsets, limit + 1) <= limit) ++length;
  return shortened(length);
}

}  // namespace nacue
