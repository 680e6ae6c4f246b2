// See candidate_scores.h. Any thread. Whether layers are summed or averaged does not change the order of samples.
#include "candidate_scores.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "search_options.h"

namespace nacue {

namespace {

// Every sample for which the share held back passes a whole number: evenly over the set, the same in every run.
std::vector<bool> HoldBack(int64_t samples, double share) {
  std::vector<bool> held_back;
  for (int64_t i = 0; i < samples; ++i) {
    held_back.push_back(std::floor(static_cast<double>(i + 1) * share + 1e-9) >
                        std::floor(static_cast<double>(i) * share + 1e-9));
  }
  return held_back;
}

}  // namespace

CandidateScores::CandidateScores(std::vector<int64_t> set_sizes, double held_back, Metric metric,
                                 std::vector<size_t> order, std::vector<double> weights)
    : set_sizes_(std::move(set_sizes)), metric_(metric), order_(std::move(order)), weights_(std::move(weights)) {
  for (const int64_t size : set_sizes_) is_held_back_.push_back(HoldBack(size, held_back));
}

double CandidateScores::Value(const CandidateTable& table, const std::vector<int32_t>& choice, Part part) const {
  std::vector<float> scores;
  for (const size_t layer : order_) {
    if (choice[layer] == SearchCandidate::kAbsent) continue;
    const std::vector<float>& coverage = table[layer][static_cast<size_t>(choice[layer])];
    scores.resize(coverage.size());
    const auto weight = static_cast<float>(weights_[layer]);
    for (size_t i = 0; i < coverage.size(); ++i) scores[i] += weight * coverage[i];
  }
  for (float& score : scores) score = -score;

  const std::vector<float> id = SortedScores(scores, 0, part);
  double total = 0;
  for (size_t set = 1; set < set_sizes_.size(); ++set) {
    const std::vector<float> ood = SortedScores(scores, set, part);
    if (id.empty() || ood.empty()) return std::numeric_limits<double>::quiet_NaN();
    total += Separation(id, ood, metric_);
  }
  return total / static_cast<double>(set_sizes_.size() - 1);
}

std::vector<float> CandidateScores::SortedScores(const std::vector<float>& scores, size_t set, Part part) const {
  size_t first = 0;
  for (size_t earlier = 0; earlier < set; ++earlier) first += static_cast<size_t>(set_sizes_[earlier]);
  std::vector<float> sorted;
  for (size_t i = 0; i < is_held_back_[set].size(); ++i) {
    if (is_held_back_[set][i] == (part == Part::kHeldBack)) sorted.push_back(scores[first + i]);
  }
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

}  // namespace nacue
