// Stage "candidates": the contributions of one layer -> its coverage of every ID and OOD sample, for every (M, alpha,
// O*).
#pragma once

#include <cstddef>
#include <vector>

#include "contribution_store.h"
#include "core/fit.h"
#include "core/options.h"
#include "search_options.h"

namespace nacue {

// The options of candidate `index` of a layer: O* runs fastest, then alpha, then M.
LayerOptions CandidateOptions(const LayerOptions& layer, const LayerGrid& grid, size_t index);

// The histogram of the fit set, with the very stages of a detector: (N, M) int64.
at::Tensor CountFit(const ContributionStore& store, size_t layer, const LayerOptions& options, Preset preset,
                    Binning binning);

// Coverage of all samples of sets 1 and up, one after the other, for each O* of the grid. `histogram` counts (M, alpha)
// pairs, alpha fastest.
std::vector<std::vector<float>> CandidateCoverage(const ContributionStore& store, size_t layer,
                                                  const LayerOptions& layer_options, const LayerGrid& grid,
                                                  size_t histogram, Preset preset, Binning binning);

}  // namespace nacue
