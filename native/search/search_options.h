// What a search tries, in plain C++ types: the binding fills these.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/options.h"
#include "separation.h"

namespace nacue {

// Values for one layer. The first of each list is the detector's own.
struct LayerGrid {
  std::vector<int64_t> m_bins;
  std::vector<double> alpha;
  std::vector<int64_t> o_star;

  size_t Histograms() const { return m_bins.size() * alpha.size(); }
  size_t Candidates() const { return Histograms() * o_star.size(); }
};

struct SearchOptions {
  std::vector<LayerGrid> layers;           // in the order of the detector's
  std::vector<Binning> binnings;           // the first is the detector's own
  std::vector<std::vector<bool>> subsets;  // which layers may be used together; the first is all of them
  Metric metric = Metric::kAuroc;
  double held_back = 0.5;     // share of the ID and of the OOD samples that the search does not see
  size_t max_candidates = 0;  // combinations to score, at least 1
  size_t ranking_length = 0;  // how many of them to report
  size_t ood_sets = 1;
  size_t memory_limit = 0;  // bytes
  std::string folder;       // for what does not fit in memory
};

// One choice of options: a bin rule, and per layer a candidate or none.
struct SearchCandidate {
  static constexpr int32_t kAbsent = -1;
  size_t binning = 0;
  std::vector<int32_t> choice;
};

struct RankedCandidate {
  SearchCandidate candidate;
  double value = 0.0;      // of the metric, on the samples of the search
  double held_back = 0.0;  // on those kept back; NaN where there are none
};

}  // namespace nacue
