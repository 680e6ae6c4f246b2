// See search.h.
#include "search.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "contribution_store.h"
#include "core/fit.h"
#include "layer_candidates.h"
#include "parallel.h"

namespace nacue {

namespace {

constexpr size_t kCombinationsPerStep = 4096;
constexpr size_t kImproved = 5;  // of the best combinations

std::vector<double> Weights(const DetectorOptions& options) {
  std::vector<double> weights;
  for (const LayerOptions& layer : options.layers) weights.push_back(layer.weight);
  return weights;
}

}  // namespace

Search::Search(SearchOptions options, DetectorOptions detector)
    : options_(std::move(options)),
      detector_(std::move(detector)),
      store_(std::make_unique<ContributionStore>(detector_.layers.size(), 2 + options_.ood_sets,
                                                 options_.memory_limit, options_.folder)) {
  BeginBinning();
}

Search::~Search() = default;

bool Search::is_on_disk() const {
  return store_->is_on_disk();
}

void Search::Collect(size_t set, const std::vector<at::Tensor>& contributions,
                     const std::vector<size_t>& execution_order) {
  store_->Append(set, contributions);
  execution_order_ = execution_order;
}

SearchProgress Search::Step() {
  switch (phase_) {
    case Phase::kCandidates:
      StepCandidates();
      break;
    case Phase::kCombinations:
      StepCombinations();
      break;
    case Phase::kImprovement:
      StepImprovement();
      break;
    case Phase::kDone:
      break;
  }
  const bool counts_candidates = phase_ == Phase::kCandidates;
  const size_t total = counts_candidates ? histograms_.size() : std::max(combinations_.size(), scored_.size());
  return {counts_candidates ? "candidates" : "combinations", counts_candidates ? done_ : scored_.size(), total,
          phase_ == Phase::kDone};
}

void Search::BeginBinning() {
  phase_ = Phase::kCandidates;
  done_ = 0;
  table_.assign(options_.layers.size(), {});
  histograms_.clear();
  scored_.clear();
  seen_.clear();
  combinations_.clear();
  for (size_t layer = 0; layer < options_.layers.size(); ++layer) {
    const LayerGrid& grid = options_.layers[layer];
    table_[layer].resize(grid.Candidates());
    for (size_t histogram = 0; histogram < grid.Histograms(); ++histogram) histograms_.emplace_back(layer, histogram);
  }
}

void Search::StepCandidates() {
  const size_t count = std::min(2 * WorkerCount(), histograms_.size() - done_);
  ForEachInParallel(count, [&](size_t index) {
    const auto [layer, histogram] = histograms_[done_ + index];
    const LayerGrid& grid = options_.layers[layer];
    auto coverage = CandidateCoverage(*store_, layer, detector_.layers[layer], grid, histogram, detector_.preset,
                                      options_.binnings[binning_]);
    for (size_t i = 0; i < coverage.size(); ++i)
      table_[layer][histogram * grid.o_star.size() + i] = std::move(coverage[i]);
  });
  done_ += count;
  if (done_ == histograms_.size()) BeginCombinations();
}

const CandidateScores& Search::Scorer() {
  if (scorer_) return *scorer_;
  std::vector<int64_t> sizes;
  for (size_t set = 1; set < store_->sets(); ++set) sizes.push_back(store_->samples(set));
  scorer_ = std::make_unique<CandidateScores>(sizes, options_.held_back, options_.metric, execution_order_,
                                              Weights(detector_));
  return *scorer_;
}

CandidateLists Search::ListsBestFirst() const {
  CandidateLists lists;
  for (size_t layer = 0; layer < options_.layers.size(); ++layer) {
    std::vector<double> values(table_[layer].size());
    ForEachInParallel(values.size(), [&](size_t candidate) {
      std::vector<int32_t> alone(options_.layers.size(), SearchCandidate::kAbsent);
      alone[layer] = static_cast<int32_t>(candidate);
      values[candidate] = scorer_->Value(table_, alone, CandidateScores::Part::kSearch);
    });
    std::vector<int32_t>& list = lists.emplace_back(values.size());
    std::iota(list.begin(), list.end(), 0);
    std::stable_sort(list.begin(), list.end(), [&](int32_t a, int32_t b) {
      return IsBetter(values[static_cast<size_t>(a)], values[static_cast<size_t>(b)], options_.metric);
    });
  }
  return lists;
}

void Search::BeginCombinations() {
  phase_ = Phase::kCombinations;
  done_ = 0;
  Scorer();
  const size_t limit = std::max<size_t>(1, options_.max_candidates / options_.binnings.size());
  CandidateLists lists;
  for (const auto& candidates : table_) {
    std::vector<int32_t>& list = lists.emplace_back(candidates.size());
    std::iota(list.begin(), list.end(), 0);
  }
  if (CountCombinations(lists, options_.subsets, limit + 1) > limit) {
    is_exhaustive_ = false;
    lists = Shorten(ListsBestFirst(), options_.subsets, limit);
  }
  combinations_ = ListCombinations(lists, options_.subsets);
  const std::vector<int32_t> own(options_.layers.size(), 0);
  if (binning_ > 0) return;
  ScoreAll({own});
  own_ = scored_.front();
  own_.held_back = scorer_->Value(table_, own, CandidateScores::Part::kHeldBack);
}

void Search::ScoreAll(const std::vector<std::vector<int32_t>>& choices) {
  std::vector<std::vector<int32_t>> fresh;
  for (const auto& choice : choices)
    if (seen_.insert(choice).second) fresh.push_back(choice);
  const size_t first = scored_.size();
  scored_.resize(first + fresh.size());
  ForEachInParallel(fresh.size(), [&](size_t index) {
    RankedCandidate& scored = scored_[first + index];
    scored.candidate = {binning_, fresh[index]};
    scored.value = scorer_->Value(table_, fresh[index], CandidateScores::Part::kSearch);
  });
}

void Search::StepCombinations() {
  const size_t end = std::min(done_ + kCombinationsPerStep, combinations_.size());
  ScoreAll({combinations_.begin() + static_cast<int64_t>(done_), combinations_.begin() + static_cast<int64_t>(end)});
  done_ = end;
  if (done_ < combinations_.size()) return;
  if (is_exhaustive_) return EndBinning();
  phase_ = Phase::kImprovement;
  improving_ = SortedByValue();
  improving_.resize(std::min(improving_.size(), kImproved));
  unchanged_layers_ = 0;
}

bool Search::IsAllowed(const std::vector<int32_t>& choice) const {
  std::vector<bool> subset;
  for (const int32_t candidate : choice) subset.push_back(candidate != SearchCandidate::kAbsent);
  return std::find(options_.subsets.begin(), options_.subsets.end(), subset) != options_.subsets.end();
}

// Tries all candidates of one layer of the first combination; drops the combination when no layer moves it any more.
void Search::StepImprovement() {
  RankedCandidate& current = improving_.front();
  const size_t layer = unchanged_layers_ % options_.layers.size();
  std::vector<std::vector<int32_t>> neighbours;
  for (int32_t candidate = SearchCandidate::kAbsent; candidate < static_cast<int32_t>(table_[layer].size());
       ++candidate) {
    std::vector<int32_t> choice = current.candidate.choice;
    choice[layer] = candidate;
    if (IsAllowed(choice)) neighbours.push_back(std::move(choice));
  }
  const size_t first = scored_.size();
  ScoreAll(neighbours);
  bool has_moved = false;
  for (size_t index = first; index < scored_.size(); ++index) {
    if (!IsBetter(scored_[index].value, current.value, options_.metric)) continue;
    current = scored_[index];
    has_moved = true;
  }
  unchanged_layers_ = has_moved ? layer + 1 : unchanged_layers_ + 1;
  if (!has_moved && unchanged_layers_ >= 2 * options_.layers.size()) {
    improving_.erase(improving_.begin());
    unchanged_layers_ = 0;
  }
  if (improving_.empty()) EndBinning();
}

std::vector<RankedCandidate> Search::SortedByValue() const {
  std::vector<RankedCandidate> sorted = scored_;
  std::stable_sort(sorted.begin(), sorted.end(), [&](const RankedCandidate& a, const RankedCandidate& b) {
    return IsBetter(a.value, b.value, options_.metric);
  });
  return sorted;
}

void Search::EndBinning() {
  scored_total_ += scored_.size();
  std::vector<RankedCandidate> best = SortedByValue();
  best.resize(std::min(best.size(), options_.ranking_length));
  ForEachInParallel(best.size(), [&](size_t index) {
    best[index].held_back = scorer_->Value(table_, best[index].candidate.choice, CandidateScores::Part::kHeldBack);
  });
  ranking_.insert(ranking_.end(), best.begin(), best.end());
  std::stable_sort(ranking_.begin(), ranking_.end(), [&](const RankedCandidate& a, const RankedCandidate& b) {
    return IsBetter(a.value, b.value, options_.metric);
  });
  ranking_.resize(std::min(ranking_.size(), options_.ranking_length));
  if (++binning_ < options_.binnings.size()) return BeginBinning();
  phase_ = Phase::kDone;
  table_.clear();
}

DetectorOptions Search::OptionsOf(const SearchCandidate& candidate) const {
  DetectorOptions options = detector_;
  options.binning = options_.binnings[candidate.binning];
  options.layers.clear();
  for (size_t layer = 0; layer < candidate.choice.size(); ++layer) {
    if (candidate.choice[layer] == SearchCandidate::kAbsent) continue;
    options.layers.push_back(CandidateOptions(detector_.layers[layer], options_.layers[layer],
                                              static_cast<size_t>(candidate.choice[layer])));
  }
  return options;
}

Fit Search::FitOf(const SearchCandidate& candidate) const {
  Fit fit;
  fit.samples = store_->samples(0);
  std::vector<size_t> used;
  for (size_t layer = 0; layer < candidate.choice.size(); ++layer) {
    if (candidate.choice[layer] == SearchCandidate::kAbsent) continue;
    const LayerOptions options = CandidateOptions(detector_.layers[layer], options_.layers[layer],
                                                  static_cast<size_t>(candidate.choice[layer]));
    fit.counts.push_back(
        CountFit(*store_, layer, options, detector_.preset, options_.binnings[candidate.binning]));
    used.push_back(layer);
  }
  for (const size_t layer : execution_order_) {
    const auto found = std::find(used.begin(), used.end(), layer);
    if (found != used.end()) fit.execution_order.push_back(static_cast<size_t>(found - used.begin()));
  }
  return fit;
}

}  // namespace nacue
