// Hyperparameter search: the model has seen every sample once, the rest is arithmetic on its contributions.
//
//   contributions -> per bin rule: coverage of every candidate of every layer -> combinations -> ranking
//
// All combinations are scored when there are at most `max_candidates`. Otherwise the candidates of each layer are ranked
// alone, the best of each are combined, and the best combinations are improved layer by layer over all candidates until
// nothing gets better.
//
// Rules: one thread at a time; Collect before the first Step; Step until it says that it is done, then Ranking.
#pragma once

#include <cstddef>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "candidate_lists.h"
#include "candidate_scores.h"
#include "core/options.h"
#include "search_options.h"

// Tensors by name only: the binding, which owns searches, compiles without LibTorch.
namespace at {
class Tensor;
}

namespace nacue {

class ContributionStore;
struct Fit;

struct SearchProgress {
  std::string phase;  // "candidates" or "combinations"
  size_t done = 0;
  size_t total = 0;
  bool is_done = false;
};

class Search {
 public:
  // `detector` are the options that the contributions are made with.
  Search(SearchOptions options, DetectorOptions detector);
  ~Search();

  // The contributions of a batch, per layer (B, N). Set 0 is the fit, set 1 the ID samples, the OOD sets follow.
  void Collect(size_t set, const std::vector<at::Tensor>& contributions, const std::vector<size_t>& execution_order);

  // Works for a moment, on all cores.
  SearchProgress Step();

  // Best first; ties in the order of enumeration, the detector's own options before all others.
  const std::vector<RankedCandidate>& ranking() const { return ranking_; }
  // The detector's own options, wherever they stand in the ranking.
  const RankedCandidate& own() const { return own_; }
  size_t scored() const { return scored_total_; }
  bool is_exhaustive() const { return is_exhaustive_; }
  bool is_on_disk() const;

  // The options and the fit of a detector with a candidate's options: its layers only.
  DetectorOptions OptionsOf(const SearchCandidate& candidate) const;
  Fit FitOf(const SearchCandidate& candidate) const;

 private:
  enum class Phase { kCandidates, kCombinations, kImprovement, kDone };

  void BeginBinning();
  void StepCandidates();
  void BeginCombinations();
  void StepCombinations();
  void StepImprovement();
  void EndBinning();
  void ScoreAll(const std::vector<std::vector<int32_t>>& choices);
  std::vector<RankedCandidate> SortedByValue() const;
  CandidateLists ListsBestFirst() const;
  bool IsAllowed(const std::vector<int32_t>& choice) const;
  const CandidateScores& Scorer();

  SearchOptions options_;
  DetectorOptions detector_;
  std::unique_ptr<ContributionStore> store_;
  std::vector<size_t> execution_order_;
  std::unique_ptr<CandidateScores> scorer_;

  Phase phase_ = Phase::kCandidates;
  size_t binning_ = 0;
  // Of the bin rule at hand:
  CandidateTable table_;
  std::vector<std::pair<size_t, size_t>> histograms_;  // (layer, histogram) to count
  std::vector<std::vector<int32_t>> combinations_;
  size_t done_ = 0;  // of histograms_ or combinations_
  std::vector<RankedCandidate> scored_;
  std::set<std::vector<int32_t>> seen_;
  std::vector<RankedCandidate> improving_;  // combinations that are walked uphill
  size_t unchanged_layers_ = 0;             // since the first of them last moved

  std::vector<RankedCandidate> ranking_;
  RankedCandidate own_;
  size_t scored_total_ = 0;
  bool is_exhaustive_ = true;
};

}  // namespace nacue
