// Stage "score": the coverages of a candidate's layers -> how well their sum tells OOD from ID samples.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/options.h"
#include "separation.h"

namespace nacue {

// Coverage per layer and candidate of that layer: (samples,), in the order of CandidateScores::Arranged.
using CandidateTable = std::vector<std::vector<std::vector<float>>>;

// How the layers add up.
struct LayerSum {
  std::vector<size_t> order;    // the layers as they run
  std::vector<double> weights;  // per layer
  Aggregation aggregation = Aggregation::kSum;
};

class CandidateScores {
 public:
  // `set_sizes`: of the ID samples and of each OOD set. `held_back`: the share of each that the search does not see.
  CandidateScores(const std::vector<int64_t>& set_sizes, double held_back, Metric metric, LayerSum sum);

  // The samples of all sets, one set after the other, in the order in which a table holds them: those of the search
  // first, then those held back, so that either is one stretch.
  std::vector<float> Arranged(const std::vector<float>& samples) const;

  Metric metric() const { return metric_; }

  enum class Part : size_t { kSearch, kHeldBack };
  // The mean over the OOD sets; NaN where this part has no samples. `choice` as in SearchCandidate.
  double Value(const CandidateTable& table, const std::vector<int32_t>& choice, Part part) const;

 private:
  // Scores of the samples of a part, set after set: what a detector with this choice predicts.
  std::vector<float> Scores(const CandidateTable& table, const std::vector<int32_t>& choice, size_t first,
                            size_t count) const;

  Metric metric_;
  LayerSum sum_;
  std::vector<size_t> arrangement_;              // which sample stands where
  std::vector<std::vector<size_t>> part_sizes_;  // by part: samples of each set
};

}  // namespace nacue
