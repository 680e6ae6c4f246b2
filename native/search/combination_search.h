// Stage "combine": the candidates of every layer -> scored combinations, for one bin rule.
//
// All combinations are scored where there are at most `limit`. Otherwise the candidates of each layer are ranked alone,
// the best of each are combined, up to half of the limit, and with the other half the best combinations are improved
// layer by layer over all candidates until nothing gets better. The first combination is always that of the first
// candidates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "candidate_lists.h"
#include "candidate_scores.h"
#include "search_options.h"

namespace nacue {

class CombinationSearch {
 public:
  // At least 1 as `limit`; what is referred to must outlive this. `subsets`: the first is all layers.
  CombinationSearch(const CandidateTable& table, const CandidateScores& scores,
                    const std::vector<std::vector<bool>>& subsets, size_t binning, size_t limit);

  // Scores some combinations, on all cores.
  void Step();

  bool is_done() const { return phase_ == Phase::kDone; }
  bool is_exhaustive() const { return is_exhaustive_; }
  // In the order in which they were tried; without their values on the samples held back.
  const std::vector<RankedCandidate>& scored() const { return scored_; }
  // How many there will be; a lower bound unless exhaustive.
  size_t planned() const;

 private:
  enum class Phase { kEnumeration, kImprovement, kDone };

  CandidateLists ListsBestFirst() const;
  void Enumerate();
  void Improve();
  void ScoreAll(const std::vector<std::vector<int32_t>>& choices);
  std::vector<std::vector<int32_t>> Neighbours(const std::vector<int32_t>& choice, size_t layer) const;

  const CandidateTable& table_;
  const CandidateScores& scores_;
  const std::vector<std::vector<bool>>& subsets_;
  size_t binning_;
  size_t limit_;
  bool is_exhaustive_ = true;
  Phase phase_ = Phase::kEnumeration;
  std::vector<std::vector<int32_t>> combinations_;
  size_t enumerated_ = 0;
  std::vector<RankedCandidate> scored_;
  std::map<std::vector<int32_t>, double> values_;  // of scored_
  std::vector<RankedCandidate> improving_;         // combinations that are walked uphill
  size_t next_layer_ = 0;                          // in which the first of them may move
  size_t layers_left_ = 0;                         // until it is known to stand best in all
};

}  // namespace nacue
