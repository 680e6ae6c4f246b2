// Stage "enumerate": which combinations of layer candidates are scored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace nacue {

// Per layer, the candidates to combine, best first.
using CandidateLists = std::vector<std::vector<int32_t>>;

// How many combinations there are: over all subsets the product of the lists of their layers. Stops counting at
// `limit`.
size_t CountCombinations(const CandidateLists& lists, const std::vector<std::vector<bool>>& subsets, size_t limit);

// All of them: first all layers with their first candidates, the first layer's candidates fastest.
std::vector<std::vector<int32_t>> ListCombinations(const CandidateLists& lists,
                                                   const std::vector<std::vector<bool>>& subsets);

// The longest beginnings of the lists, of equal length where they are long enough, that make at most `limit`
// combinations; at least one candidate each.
CandidateLists Shorten(const CandidateLists& lists, const std::vector<std::vector<bool>>& subsets, size_t limit);

}  // namespace nacue
