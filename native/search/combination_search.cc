// See combination_search.h.
#include "combination_search.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "parallel.h"
#include "ranking.h"

namespace nacue {

namespace {

constexpr size_t kCombinationsPerStep = 1024;
constexpr size_t kImproved = 5;  // of the best combinations

}  // namespace

CombinationSearch::CombinationSearch(const CandidateTable& table, const CandidateScores& scores,
                                     const std::vector<std::vector<bool>>& subsets, size_t binning, size_t limit)
    : table_(table), scores_(scores), subsets_(subsets), binning_(binning), limit_(limit) {
  CandidateLists lists;
  for (const auto& candidates : table_) {
    std::vector<int32_t>& list = lists.emplace_back(candidates.size());
    std::iota(list.begin(), list.end(), 0);
  }
  is_exhaustive_ = CountCombinations(lists, subsets_, limit_ + 1) <= limit_;
  if (!is_exhaustive_) {
    ScoreAll({std::vector<int32_t>(table_.size(), 0)});
    lists = Shorten(ListsBestFirst(), subsets_, limit_ / 2);
  }
  combinations_ = ListCombinations(lists, subsets_);
}

size_t CombinationSearch::planned() const {
  return std::max(std::min(combinations_.size(), limit_), scored_.size());
}

CandidateLists CombinationSearch::ListsBestFirst() const {
  CandidateLists lists;
  for (size_t layer = 0; layer < table_.size(); ++layer) {
    std::vector<double> values(table_[layer].size());
    ForEachInParallel(values.size(), [&](size_t candidate) {
      std::vector<int32_t> alone(table_.size(), SearchCandidate::kAbsent);
      alone[layer] = static_cast<int32_t>(candidate);
      values[candidate] = scores_.Value(table_, alone, CandidateScores::Part::kSearch);
    });
    std::vector<int32_t>& list = lists.emplace_back(values.size());
    std::iota(list.begin(), list.end(), 0);
    std::stable_sort(list.begin(), list.end(), [&](int32_t a, int32_t b) {
      return IsBetter(values[static_cast<size_t>(a)], values[static_cast<size_t>(b)], scores_.metric());
    });
  }
  return lists;
}

void CombinationSearch::Step() {
  if (phase_ == Phase::kEnumeration) return Enumerate();
  if (phase_ == Phase::kImprovement) return Improve();
}

// Those that were not scored before, as far as the limit allows.
void CombinationSearch::ScoreAll(const std::vector<std::vector<int32_t>>& choices) {
  const size_t first = scored_.size();
  for (const auto& choice : choices) {
    if (scored_.size() == limit_) break;
    if (values_.emplace(choice, 0.0).second) scored_.push_back({{binning_, choice}, 0.0, 0.0});
  }
  ForEachInParallel(scored_.size() - first, [&](size_t index) {
    RankedCandidate& scored = scored_[first + index];
    scored.value = scores_.Value(table_, scored.candidate.choice, CandidateScores::Part::kSearch);
  });
  for (size_t index = first; index < scored_.size(); ++index)
    values_[scored_[index].candidate.choice] = scored_[index].value;
}

void CombinationSearch::Enumerate() {
  const size_t end = std::min(enumerated_ + kCombinationsPerStep, combinations_.size());
  ScoreAll(
      {combinations_.begin() + static_cast<int64_t>(enumerated_), combinations_.begin() + static_cast<int64_t>(end)});
  enumerated_ = end;
  if (enumerated_ < combinations_.size()) return;
  phase_ = is_exhaustive_ ? Phase::kDone : Phase::kImprovement;
  if (is_exhaustive_) return;
  improving_ = scored_;
  SortByRank(improving_, scores_.metric());
  improving_.resize(std::min(improving_.size(), kImproved));
  layers_left_ = table_.size();
}

// Every candidate of a layer in place of the one there, and none.
std::vector<std::vector<int32_t>> CombinationSearch::Neighbours(const std::vector<int32_t>& choice,
                                                                size_t layer) const {
  std::vector<std::vector<int32_t>> neighbours;
  for (int32_t candidate = SearchCandidate::kAbsent; candidate < static_cast<int32_t>(table_[layer].size());
       ++candidate) {
    std::vector<int32_t> neighbour = choice;
    neighbour[layer] = candidate;
    std::vector<bool> subset;
    for (const int32_t chosen : neighbour) subset.push_back(chosen != SearchCandidate::kAbsent);
    if (std::find(subsets_.begin(), subsets_.end(), subset) != subsets_.end())
      neighbours.push_back(std::move(neighbour));
  }
  return neighbours;
}

// Moves the first combination to its best neighbour in one layer; is done with it when no layer moves it any more.
void CombinationSearch::Improve() {
  RankedCandidate& current = improving_.front();
  const auto neighbours = Neighbours(current.candidate.choice, next_layer_);
  ScoreAll(neighbours);
  --layers_left_;
  for (const auto& neighbour : neighbours) {
    const auto found = values_.find(neighbour);
    if (found == values_.end() || !IsBetter(found->second, current.value, scores_.metric())) continue;
    current.candidate.choice = neighbour;
    current.value = found->second;
    layers_left_ = table_.size() - 1;  // in this one it stands best now
  }
  next_layer_ = (next_layer_ + 1) % table_.size();
  if (layers_left_ == 0) {
    improving_.erase(improving_.begin());
    layers_left_ = table_.size();
  }
  if (improving_.empty() || scored_.size() == limit_) phase_ = Phase::kDone;
}

}  // namespace nacue
