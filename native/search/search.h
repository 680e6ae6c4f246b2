// Hyperparameter search: the model has seen every sample once, the rest is arithmetic on its contributions.
//
//   contributions -> per bin rule: coverage of every candidate of every layer -> combinations -> ranking
//
// Rules: one thread at a time; Collect before the first Step, every set at least once; Step until it says that it is
// done, then the results.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "candidate_scores.h"
#include "core/options.h"
#include "search_options.h"

// Tensors by name only: the binding, which owns searches, compiles without LibTorch.
namespace at {
class Tensor;
}

namespace nacue {

class CombinationSearch;
class ContributionStore;
struct Fit;

struct SearchProgress {
  std::string phase;  // "candidates" or "combinations", of the bin rule at hand
  size_t done = 0;
  size_t total = 0;
  bool is_done = false;
};

class Search {
 public:
  // `detector` are the options that the contributions are made with.
  Search(SearchOptions options, DetectorOptions detector);
  // Gives the memory back to the system, which takes a while.
  ~Search();

  // The contributions of a batch, per layer (B, N). Set 0 is the fit, set 1 the ID samples, the OOD sets follow. Throws
  // ERR_NACUE_SHAPE when a layer's N changes, ERR_NACUE_SPILL.
  void Collect(size_t set, const std::vector<at::Tensor>& contributions, const std::vector<size_t>& execution_order);

  // Works for a moment, on all cores.
  SearchProgress Step();

  // Best first, see ranking.h.
  const std::vector<RankedCandidate>& ranking() const { return ranking_; }
  // The detector's own options, wherever they stand in the ranking.
  const RankedCandidate& own() const { return own_; }
  size_t scored() const { return scored_; }
  bool is_exhaustive() const { return is_exhaustive_; }
  bool is_on_disk() const;

  // The options and the fit of a detector with a candidate's options: its layers only.
  DetectorOptions OptionsOf(const SearchCandidate& candidate) const;
  Fit FitOf(const SearchCandidate& candidate) const;

 private:
  void Begin();
  void BeginBinning();
  void CountCandidates();
  void EndBinning();
  size_t CombinationLimit() const;

  SearchOptions options_;
  DetectorOptions detector_;
  std::unique_ptr<ContributionStore> store_;
  std::vector<int64_t> neurons_;         // per layer, from the first batch on
  std::vector<size_t> execution_order_;  // of the first batch, as in a fit
  std::unique_ptr<CandidateScores> scores_;

  size_t binning_ = 0;
  // Of the bin rule at hand:
  CandidateTable table_;
  std::vector<std::pair<size_t, size_t>> histograms_;  // (layer, histogram) to count
  size_t counted_ = 0;
  std::unique_ptr<CombinationSearch> combinations_;

  std::vector<RankedCandidate> ranking_;
  RankedCandidate own_;
  size_t scored_ = 0;
  bool is_exhaustive_ = true;
};

}  // namespace nacue
