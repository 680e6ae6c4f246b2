// See search.h.
#include "search.h"

#include <algorithm>
#include <iterator>
#include <utility>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "combination_search.h"
#include "contribution_store.h"
#include "core/error.h"
#include "core/fit.h"
#include "layer_candidates.h"
#include "parallel.h"
#include "ranking.h"

namespace nacue {

Search::Search(SearchOptions options, DetectorOptions detector)
    : options_(std::move(options)),
      detector_(std::move(detector)),
      store_(std::make_unique<ContributionStore>(detector_.layers.size(), 2 + options_.ood_sets, options_.memory_limit,
                                                 options_.folder)) {}

Search::~Search() {
  store_.reset();
  table_.clear();
#ifdef __GLIBC__
  // Batch by batch, contributions fill the heaps of the threads, which keep what is freed in their midst.
  malloc_trim(0);
#endif
}

bool Search::is_on_disk() const {
  return store_->is_on_disk();
}

void Search::Collect(size_t set, const std::vector<at::Tensor>& contributions,
                     const std::vector<size_t>& execution_order) {
  if (neurons_.empty()) {
    for (const at::Tensor& layer : contributions) neurons_.push_back(layer.size(1));
    execution_order_ = execution_order;
  }
  for (size_t layer = 0; layer < neurons_.size(); ++layer) {
    if (contributions[layer].size(1) == neurons_[layer]) continue;
    throw Error("ERR_NACUE_SHAPE", "layer '" + detector_.layers[layer].name + "' has " +
                                       std::to_string(contributions[layer].size(1)) +
                                       " neurons for this batch's shape, it had " + std::to_string(neurons_[layer]) +
                                       " in the first batch");
  }
  store_->Append(set, contributions);
}

SearchProgress Search::Step() {
  if (!scores_) Begin();
  if (binning_ < options_.binnings.size()) {
    if (counted_ < histograms_.size()) {
      CountCandidates();
    } else if (!combinations_) {
      combinations_ =
          std::make_unique<CombinationSearch>(table_, *scores_, options_.subsets, binning_, CombinationLimit());
    } else if (!combinations_->is_done()) {
      combinations_->Step();
    } else {
      EndBinning();
    }
  }
  if (binning_ == options_.binnings.size()) return {"combinations", scored_, scored_, true};
  if (!combinations_) return {"candidates", counted_, histograms_.size(), false};
  return {"combinations", combinations_->scored().size(), combinations_->planned(), false};
}

void Search::Begin() {
  std::vector<int64_t> sizes;
  for (size_t set = 1; set < store_->sets(); ++set) sizes.push_back(store_->samples(set));
  LayerSum sum{execution_order_, {}, detector_.aggregation};
  for (const LayerOptions& layer : detector_.layers) sum.weights.push_back(layer.weight);
  scores_ = std::make_unique<CandidateScores>(sizes, options_.held_back, options_.metric, std::move(sum));
  BeginBinning();
}

void Search::BeginBinning() {
  counted_ = 0;
  histograms_.clear();
  table_.assign(options_.layers.size(), {});
  for (size_t layer = 0; layer < options_.layers.size(); ++layer) {
    const LayerGrid& grid = options_.layers[layer];
    table_[layer].resize(grid.Candidates());
    for (size_t histogram = 0; histogram < grid.Histograms(); ++histogram) histograms_.emplace_back(layer, histogram);
  }
}

void Search::CountCandidates() {
  const size_t count = std::min(2 * WorkerCount(), histograms_.size() - counted_);
  ForEachInParallel(count, [&](size_t index) {
    const auto [layer, histogram] = histograms_[counted_ + index];
    const LayerGrid& grid = options_.layers[layer];
    const auto coverage = CandidateCoverage(*store_, layer, detector_.layers[layer], grid, histogram, detector_.preset,
                                            options_.binnings[binning_]);
    for (size_t i = 0; i < coverage.size(); ++i)
      table_[layer][histogram * grid.o_star.size() + i] = scores_->Arranged(coverage[i]);
  });
  counted_ += count;
}

// An equal share for every bin rule; what does not divide goes to the first ones.
size_t Search::CombinationLimit() const {
  const size_t rules = options_.binnings.size();
  return options_.max_candidates / rules + (binning_ < options_.max_candidates % rules ? 1 : 0);
}

void Search::EndBinning() {
  std::vector<RankedCandidate> best = combinations_->scored();
  scored_ += best.size();
  is_exhaustive_ = is_exhaustive_ && combinations_->is_exhaustive();
  if (binning_ == 0) own_ = best.front();
  SortByRank(best, options_.metric);
  best.resize(std::min(best.size(), options_.ranking_length));
  const auto hold_against = [&](RankedCandidate& ranked) {
    ranked.held_back = scores_->Value(table_, ranked.candidate.choice, CandidateScores::Part::kHeldBack);
  };
  ForEachInParallel(best.size(), [&](size_t index) { hold_against(best[index]); });
  if (binning_ == 0) hold_against(own_);
  ranking_.insert(ranking_.end(), std::make_move_iterator(best.begin()), std::make_move_iterator(best.end()));
  SortByRank(ranking_, options_.metric);
  ranking_.resize(std::min(ranking_.size(), options_.ranking_length));

  combinations_.reset();
  table_.clear();
  ++binning_;
  if (binning_ < options_.binnings.size() && CombinationLimit() == 0) {
    is_exhaustive_ = false;
    binning_ = options_.binnings.size();
  }
  if (binning_ < options_.binnings.size()) BeginBinning();
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
    const LayerOptions options =
        CandidateOptions(detector_.layers[layer], options_.layers[layer], static_cast<size_t>(candidate.choice[layer]));
    fit.counts.push_back(CountFit(*store_, layer, options, detector_.preset, options_.binnings[candidate.binning]));
    used.push_back(layer);
  }
  for (const size_t layer : execution_order_) {
    const auto found = std::find(used.begin(), used.end(), layer);
    if (found != used.end()) fit.execution_order.push_back(static_cast<size_t>(found - used.begin()));
  }
  return fit;
}

}  // namespace nacue
