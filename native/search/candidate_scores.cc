// See candidate_scores.h. Any thread. Adds like core/aggregate.cc, one layer after the other: the same bits for up to
// four layers, beyond which LibTorch's order of addition depends on the place of a sample in its batch.
#include "candidate_scores.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <utility>

#include "search_options.h"

namespace nacue {

namespace {

// Every sample at which the share held back passes a whole number: evenly over the set, the same in every run.
bool IsHeldBack(int64_t sample, double share) {
  constexpr double kRounding = 1e-9;
  return std::floor(static_cast<double>(sample + 1) * share + kRounding) >
         std::floor(static_cast<double>(sample) * share + kRounding);
}

}  // namespace

CandidateScores::CandidateScores(const std::vector<int64_t>& set_sizes, double held_back, Metric metric, LayerSum sum)
    : metric_(metric), sum_(std::move(sum)), part_sizes_(2) {
  for (const Part part : {Part::kSearch, Part::kHeldBack}) {
    size_t first = 0;
    for (const int64_t size : set_sizes) {
      const size_t before = arrangement_.size();
      for (int64_t i = 0; i < size; ++i) {
        if (IsHeldBack(i, held_back) == (part == Part::kHeldBack))
          arrangement_.push_back(first + static_cast<size_t>(i));
      }
      part_sizes_[static_cast<size_t>(part)].push_back(arrangement_.size() - before);
      first += static_cast<size_t>(size);
    }
  }
}

std::vector<float> CandidateScores::Arranged(const std::vector<float>& samples) const {
  std::vector<float> arranged;
  arranged.reserve(samples.size());
  for (const size_t sample : arrangement_) arranged.push_back(samples[sample]);
  return arranged;
}

double CandidateScores::Value(const CandidateTable& table, const std::vector<int32_t>& choice, Part part) const {
  const std::vector<size_t>& sizes = part_sizes_[static_cast<size_t>(part)];
  if (std::find(sizes.begin(), sizes.end(), 0) != sizes.end()) return std::numeric_limits<double>::quiet_NaN();
  const auto total = [](const std::vector<size_t>& counts) {
    return std::accumulate(counts.begin(), counts.end(), size_t{0});
  };
  const size_t first = part == Part::kSearch ? 0 : total(part_sizes_.front());
  std::vector<float> scores = Scores(table, choice, first, total(sizes));

  auto next = scores.begin();
  const auto sorted = [&](size_t set) {
    const auto begin = std::exchange(next, next + static_cast<int64_t>(sizes[set]));
    std::sort(begin, next);
    return std::span<const float>(begin, next);
  };
  const std::span<const float> id = sorted(0);
  double sum = 0;
  for (size_t set = 1; set < sizes.size(); ++set) sum += Separation(id, sorted(set), metric_);
  return sum / static_cast<double>(sizes.size() - 1);
}

std::vector<float> CandidateScores::Scores(const CandidateTable& table, const std::vector<int32_t>& choice,
                                           size_t first, size_t count) const {
  std::vector<const float*> layers;
  std::vector<double> weights;
  for (const size_t layer : sum_.order) {
    if (choice[layer] == SearchCandidate::kAbsent) continue;
    layers.push_back(table[layer][static_cast<size_t>(choice[layer])].data() + first);
    weights.push_back(sum_.weights[layer]);
  }
  const bool averages = sum_.aggregation == Aggregation::kMean;
  std::vector<float> scores(count);
  if (std::all_of(weights.begin(), weights.end(), [](double weight) { return weight == 1.0; })) {
    for (const float* coverage : layers)
      for (size_t i = 0; i < count; ++i) scores[i] += coverage[i];
    const float divisor = averages ? -static_cast<float>(layers.size()) : -1.0F;
    for (float& score : scores) score /= divisor;
    return scores;
  }
  const double total = averages ? std::accumulate(weights.begin(), weights.end(), 0.0) : 1.0;
  std::vector<double> sums(count);
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    const double factor = weights[layer] / total;
    for (size_t i = 0; i < count; ++i) sums[i] += static_cast<double>(layers[layer][i]) * factor;
  }
  for (size_t i = 0; i < count; ++i) scores[i] = static_cast<float>(-sums[i]);
  return scores;
}

}  // namespace nacue
