// Stage "score": the coverages of a candidate's layers -> how well their sum tells OOD from ID samples.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "separation.h"

namespace nacue {

// Coverage per layer and candidate of that layer: (samples,), the ID samples first, then set after set.
using CandidateTable = std::vector<std::vector<std::vector<float>>>;

class CandidateScores {
 public:
  // `set_sizes`: of the ID samples and of each OOD set. `order`: the layers as they run, with their factors in the score.
  CandidateScores(std::vector<int64_t> set_sizes, double held_back, Metric metric, std::vector<size_t> order,
                  std::vector<double> weights);

  enum class Part { kSearch, kHeldBack };
  // The mean over the OOD sets; NaN where this part has no samples. `choice` as in SearchCandidate.
  double Value(const CandidateTable& table, const std::vector<int32_t>& choice, Part part) const;

 private:
  std::vector<float> SortedScores(const std::vector<float>& scores, size_t set, Part part) const;

  std::vector<int64_t> set_sizes_;
  std::vector<std::vector<bool>> is_held_back_;  // per set and sample
  Metric metric_;
  std::vector<size_t> order_;
  std::vector<double> weights_;  // per layer
};

}  // namespace nacue
