// Stage "rank": scored combinations, best first. No LibTorch.
#pragma once

#include <vector>

#include "search_options.h"

namespace nacue {

// On equal values the detector's own options come first, then whoever has fewer layers; the rest stay as they are.
void SortByRank(std::vector<RankedCandidate>& candidates, Metric metric);

}  // namespace nacue
