// The search on made-up contributions and coverages, where the right answer is known or a slow obvious one can be had.
#include "search/search.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <random>
#include <set>
#include <stdexcept>

#include "core/error.h"
#include "core/fit.h"
#include "search/candidate_lists.h"
#include "search/candidate_scores.h"
#include "search/combination_search.h"
#include "search/contribution_store.h"
#include "search/parallel.h"
#include "search/ranking.h"
#include "search/separation.h"

namespace nacue {

namespace {

using Subsets = std::vector<std::vector<bool>>;
using Choice = std::vector<int32_t>;

const Subsets kBothOrEither = {{true, true}, {true, false}, {false, true}};

// The definitions of lib/metrics.ts, sample by sample; `positives` score high.
double SlowAuroc(const std::vector<float>& negatives, const std::vector<float>& positives) {
  double wins = 0;
  for (const float positive : positives)
    for (const float negative : negatives) wins += positive > negative ? 1.0 : positive == negative ? 0.5 : 0.0;
  return wins / static_cast<double>(positives.size() * negatives.size());
}

double ShareFrom(const std::vector<float>& scores, float threshold) {
  return static_cast<double>(
             std::count_if(scores.begin(), scores.end(), [&](float score) { return score >= threshold; })) /
         static_cast<double>(scores.size());
}

std::vector<float> ThresholdsDown(const std::vector<float>& a, const std::vector<float>& b) {
  std::set<float> distinct(a.begin(), a.end());
  distinct.insert(b.begin(), b.end());
  return {distinct.rbegin(), distinct.rend()};
}

double SlowAupr(const std::vector<float>& negatives, const std::vector<float>& positives) {
  double area = 0;
  double recall_before = 0;
  double precision_before = 1;
  for (const float threshold : ThresholdsDown(negatives, positives)) {
    const double recall = ShareFrom(positives, threshold);
    const double found = recall * static_cast<double>(positives.size());
    const double false_alarms = ShareFrom(negatives, threshold) * static_cast<double>(negatives.size());
    const double precision = found / (found + false_alarms);
    area += (recall - recall_before) * (precision + precision_before) / 2;
    recall_before = recall;
    precision_before = precision;
  }
  return area;
}

double SlowFpr95(const std::vector<float>& id, const std::vector<float>& ood) {
  for (const float threshold : ThresholdsDown(id, ood))
    if (ShareFrom(ood, threshold) >= 0.95) return ShareFrom(id, threshold);
  return 1;
}

std::vector<float> Negated(std::vector<float> values) {
  for (float& value : values) value = -value;
  return values;
}

// A few distinct values, so that most of them tie.
std::vector<float> TiedScores(std::mt19937& random) {
  std::vector<float> scores(1 + random() % 30);
  const unsigned distinct = 1 + random() % 8;
  for (float& score : scores) score = -0.25F * static_cast<float>(random() % distinct);
  std::sort(scores.begin(), scores.end());
  return scores;
}

TEST(Separation, EqualsTheDefinitionsWhereScoresTie) {
  std::mt19937 random(1);
  for (int round = 0; round < 1000; ++round) {
    const std::vector<float> id = TiedScores(random);
    const std::vector<float> ood = TiedScores(random);
    EXPECT_NEAR(Separation(id, ood, Metric::kAuroc), SlowAuroc(id, ood), 1e-12);
    EXPECT_NEAR(Separation(id, ood, Metric::kAuprOut), SlowAupr(id, ood), 1e-12);
    EXPECT_NEAR(Separation(id, ood, Metric::kAuprIn), SlowAupr(Negated(ood), Negated(id)), 1e-12);
    EXPECT_NEAR(Separation(id, ood, Metric::kFpr95), SlowFpr95(id, ood), 1e-12);
  }
}

// Recorded from metrics.all of lib/metrics.ts.
TEST(Separation, EqualsTheMetricsOfTheFacade) {
  const std::vector<float> id = {-2, -1.5, -1.5, -1, -0.5, -0.5, 0};
  const std::vector<float> ood = {-1.5, -1, -0.5, -0.5, -0.25};
  EXPECT_NEAR(Separation(id, ood, Metric::kAuroc), 0.6142857142857143, 1e-15);
  EXPECT_NEAR(Separation(id, ood, Metric::kAuprIn), 0.7556277056277055, 1e-15);
  EXPECT_NEAR(Separation(id, ood, Metric::kAuprOut), 0.4454545454545455, 1e-15);
  EXPECT_NEAR(Separation(id, ood, Metric::kFpr95), 0.8571428571428571, 1e-15);
}

TEST(Separation, EndsOnNaN) {
  const std::vector<float> scores = {0, std::nanf(""), std::nanf("")};
  for (const Metric metric : {Metric::kAuroc, Metric::kAuprIn, Metric::kAuprOut, Metric::kFpr95})
    static_cast<void>(Separation(scores, scores, metric));
}

TEST(Separation, IsBetterWhenLargerButForTheFalsePositiveRate) {
  for (const Metric metric : {Metric::kAuroc, Metric::kAuprIn, Metric::kAuprOut})
    EXPECT_TRUE(IsBetter(0.9, 0.8, metric) && !IsBetter(0.8, 0.9, metric) && !IsBetter(0.8, 0.8, metric));
  EXPECT_TRUE(IsBetter(0.1, 0.2, Metric::kFpr95) && !IsBetter(0.2, 0.1, Metric::kFpr95));
}

TEST(CandidateLists, CountsWhatItLists) {
  const CandidateLists lists = {{4, 2, 7}, {5, 0}, {1}};
  const Subsets subsets = {{true, true, true}, {true, false, false}, {false, true, true}};
  const auto listed = ListCombinations(lists, subsets);
  EXPECT_EQ(listed.size(), 3U * 2 * 1 + 3 + 2 * 1);
  EXPECT_EQ(CountCombinations(lists, subsets, 1000), listed.size());
  EXPECT_EQ(CountCombinations(lists, subsets, 5), 5U);
  EXPECT_EQ(std::set<Choice>(listed.begin(), listed.end()).size(), listed.size());
  EXPECT_EQ(listed[0], (Choice{4, 5, 1}));
  EXPECT_EQ(listed[1], (Choice{2, 5, 1}));
  EXPECT_EQ(listed.back(), (Choice{SearchCandidate::kAbsent, 0, 1}));
}

TEST(CandidateLists, CountsBeyondSixtyFourBits) {
  std::vector<int32_t> many(100'000);
  EXPECT_EQ(CountCombinations(CandidateLists(8, many), {std::vector<bool>(8, true)}, 1'000'001), 1'000'001U);
}

TEST(CandidateLists, ShortensAllListsAlike) {
  const CandidateLists lists = {{4, 2, 7, 9}, {5, 0, 3}, {1}};
  const Subsets subsets = {{true, true, true}};
  EXPECT_EQ(Shorten(lists, subsets, 12), lists);
  EXPECT_EQ(Shorten(lists, subsets, 11), (CandidateLists{{4, 2, 7}, {5, 0, 3}, {1}}));
  EXPECT_EQ(Shorten(lists, subsets, 8), (CandidateLists{{4, 2}, {5, 0}, {1}}));
  EXPECT_EQ(Shorten(lists, subsets, 0), (CandidateLists{{4}, {5}, {1}}));
}

TEST(CandidateScores, HoldsBackEvenlyOverEachSet) {
  const CandidateScores scores({4, 5}, 0.5, Metric::kAuroc, {{0}, {1.0}, Aggregation::kSum});
  EXPECT_EQ(scores.Arranged({0, 1, 2, 3, 10, 11, 12, 13, 14}), (std::vector<float>{0, 2, 10, 12, 14, 1, 3, 11, 13}));
  const CandidateScores all({2, 1}, 0.0, Metric::kAuroc, {{0}, {1.0}, Aggregation::kSum});
  EXPECT_EQ(all.Arranged({7, 8, 9}), (std::vector<float>{7, 8, 9}));
  const CandidateTable table = {{{0.5F, 0.5F, 0.1F}}};
  EXPECT_EQ(all.Value(table, {0}, CandidateScores::Part::kSearch), 1.0);
  EXPECT_TRUE(std::isnan(all.Value(table, {0}, CandidateScores::Part::kHeldBack)));
}

TEST(CandidateScores, AveragesOverTheSetsWhateverTheirSizes) {
  const CandidateScores scores({1, 1, 3}, 0.0, Metric::kAuroc, {{0}, {1.0}, Aggregation::kSum});
  const CandidateTable table = {{{0.5F, 0.1F, 0.9F, 0.9F, 0.9F}}};
  EXPECT_EQ(scores.Value(table, {0}, CandidateScores::Part::kSearch), 0.5);
}

TEST(CandidateScores, WeighsTheLayersOfTheChoice) {
  // One ID and one OOD sample; the layers contradict each other.
  const CandidateTable table = {{{1.0F, 0.5F}}, {{0.0F, 1.0F}}};
  const auto value = [&](std::vector<double> weights, const Choice& choice, Aggregation aggregation) {
    const CandidateScores scores({1, 1}, 0.0, Metric::kAuroc, {{1, 0}, std::move(weights), aggregation});
    return scores.Value(table, choice, CandidateScores::Part::kSearch);
  };
  for (const Aggregation aggregation : {Aggregation::kSum, Aggregation::kMean}) {
    EXPECT_EQ(value({1, 1}, {0, 0}, aggregation), 0.0);
    EXPECT_EQ(value({2, 1}, {0, 0}, aggregation), 0.5);
    EXPECT_EQ(value({3, 1}, {0, 0}, aggregation), 1.0);
    EXPECT_EQ(value({1, 5}, {0, SearchCandidate::kAbsent}, aggregation), 1.0);
    EXPECT_EQ(value({1e308, 1e308}, {0, 0}, aggregation), 0.5);
  }
}

// Coverages of which candidate i of a layer is the better the nearer it is to `best`.
CandidateTable TableWithBest(const std::vector<int32_t>& best, int32_t candidates) {
  std::mt19937 random(5);
  constexpr int kSamples = 200;
  CandidateTable table(best.size());
  for (size_t layer = 0; layer < best.size(); ++layer) {
    for (int32_t candidate = 0; candidate < candidates; ++candidate) {
      std::vector<float>& coverage = table[layer].emplace_back();
      const float signal = 0.3F / static_cast<float>(1 + std::abs(candidate - best[layer]));
      for (int i = 0; i < kSamples; ++i)
        coverage.push_back((i < kSamples / 2 ? signal : 0.0F) + static_cast<float>(random() % 1000) / 2000.0F);
    }
  }
  return table;
}

class Combinations : public testing::Test {
 protected:
  std::vector<RankedCandidate> Run(const CandidateTable& table, size_t limit) {
    CombinationSearch search(table, scores_, kBothOrEither, /*binning=*/0, limit);
    while (!search.is_done()) search.Step();
    is_exhaustive_ = search.is_exhaustive();
    EXPECT_LE(search.scored().size(), limit);
    EXPECT_EQ(search.scored().front().candidate.choice, (Choice{0, 0}));
    std::set<Choice> distinct;
    for (const RankedCandidate& scored : search.scored()) {
      distinct.insert(scored.candidate.choice);
      EXPECT_EQ(scored.value, scores_.Value(table, scored.candidate.choice, CandidateScores::Part::kSearch));
    }
    EXPECT_EQ(distinct.size(), search.scored().size());
    std::vector<RankedCandidate> ranked = search.scored();
    SortByRank(ranked, Metric::kAuroc);
    return ranked;
  }

  const CandidateScores scores_{{100, 100}, 0.0, Metric::kAuroc, {{0, 1}, {1.0, 1.0}, Aggregation::kSum}};
  bool is_exhaustive_ = false;
};

TEST_F(Combinations, AreAllScoredUpToTheLimit) {
  const CandidateTable table = TableWithBest({3, 8}, 12);
  EXPECT_EQ(Run(table, 12 * 12 + 12 + 12).size(), 168U);
  EXPECT_TRUE(is_exhaustive_);
  Run(table, 167);
  EXPECT_FALSE(is_exhaustive_);
}

TEST_F(Combinations, HaveNoBetterNeighbourWhereTheLimitCutsThem) {
  const CandidateTable table = TableWithBest({3, 8}, 12);
  const auto best = Run(table, 160).front();
  for (size_t layer = 0; layer < 2; ++layer) {
    for (int32_t candidate = SearchCandidate::kAbsent; candidate < 12; ++candidate) {
      Choice neighbour = best.candidate.choice;
      neighbour[layer] = candidate;
      if (neighbour == Choice{SearchCandidate::kAbsent, SearchCandidate::kAbsent}) continue;
      EXPECT_LE(scores_.Value(table, neighbour, CandidateScores::Part::kSearch), best.value);
    }
  }
}

TEST_F(Combinations, AreFoundWhereTheLayersDoNotDependOnEachOther) {
  const CandidateTable table = TableWithBest({3, 8}, 12);
  const auto all = Run(table, 1000);
  EXPECT_EQ(all.front().candidate.choice, (Choice{3, 8}));
  EXPECT_EQ(Run(table, 60).front().candidate.choice, (Choice{3, 8}));
  EXPECT_FALSE(is_exhaustive_);
}

TEST_F(Combinations, AreNeverMoreThanTheLimit) {
  const CandidateTable table = TableWithBest({3, 8}, 12);
  for (size_t limit = 1; limit < 30; ++limit) EXPECT_EQ(Run(table, limit).size(), limit);
}

TEST(Ranking, PutsOwnOptionsThenFewerLayersFirstOnEqualValues) {
  const int32_t none = SearchCandidate::kAbsent;
  std::vector<RankedCandidate> ranking = {
      {{0, {1, 1}}, 0.5, 0}, {{0, {1, none}}, 0.5, 0}, {{0, {2, 1}}, 0.5, 0}, {{1, {0, 0}}, 0.5, 0},
      {{0, {0, 0}}, 0.5, 0}, {{0, {none, 2}}, 0.5, 0}, {{0, {3, 3}}, 0.6, 0}, {{0, {4, none}}, 0.4, 0},
  };
  const auto order = [&](Metric metric) {
    SortByRank(ranking, metric);
    std::vector<Choice> choices;
    for (const RankedCandidate& ranked : ranking) choices.push_back(ranked.candidate.choice);
    return choices;
  };
  EXPECT_EQ(order(Metric::kAuroc),
            (std::vector<Choice>{{3, 3}, {0, 0}, {1, none}, {none, 2}, {1, 1}, {2, 1}, {0, 0}, {4, none}}));
  EXPECT_EQ(order(Metric::kFpr95).front(), (Choice{4, none}));
  EXPECT_EQ(order(Metric::kFpr95).back(), (Choice{3, 3}));
}

TEST(Parallel, DoesEveryPieceOnce) {
  std::vector<int> done(1000, 0);
  ForEachInParallel(done.size(), [&](size_t index) { ++done[index]; });
  EXPECT_EQ(done, std::vector<int>(1000, 1));
  ForEachInParallel(0, [](size_t) { FAIL(); });
}

TEST(Parallel, ThrowsWhatAPieceThrew) {
  const auto run = [] {
    ForEachInParallel(100, [](size_t index) {
      if (index == 50) throw std::runtime_error("piece 50");
    });
  };
  EXPECT_THROW(run(), std::runtime_error);
}

std::vector<at::Tensor> Batches(const RowStore& store) {
  std::vector<at::Tensor> batches;
  store.ForEachBatch([&](const at::Tensor& batch) { batches.push_back(batch); });
  return batches;
}

TEST(ContributionStore, GivesBackTheSameBatchesFromDisk) {
  const std::string folder = std::filesystem::temp_directory_path();
  for (const size_t limit : {size_t{0}, size_t{200}, size_t{1} << 20}) {
    ContributionStore store(2, 2, limit, folder);
    std::vector<std::vector<at::Tensor>> appended;
    for (const int64_t rows : {3, 1, 5}) {
      const auto type = rows == 5 ? at::kDouble : at::kFloat;
      // A view, whose memory must not be kept, and one that is not contiguous.
      appended.push_back({at::rand({rows + 2, 4}).slice(0, 1, rows + 1), at::rand({2, rows}).t().to(type)});
      store.Append(1, appended.back());
    }
    EXPECT_EQ(store.is_on_disk(), limit < 1000);
    EXPECT_EQ(store.samples(0), 0);
    EXPECT_EQ(store.samples(1), 9);
    for (size_t layer = 0; layer < 2; ++layer) {
      const auto batches = Batches(store.rows(layer, 1));
      ASSERT_EQ(batches.size(), 3U);
      for (size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(batches[i].scalar_type(), appended[i][layer].scalar_type());
        EXPECT_TRUE(at::equal(batches[i], appended[i][layer]));
      }
    }
  }
}

TEST(ContributionStore, SaysWhereItCannotWrite) {
  ContributionStore store(1, 1, 0, "/does/not/exist");
  try {
    store.Append(0, {at::rand({2, 2})});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "ERR_NACUE_SPILL");
    EXPECT_NE(std::string(error.what()).find("'/does/not/exist': No such file or directory"), std::string::npos);
  }
}

// Two layers, and contributions that are larger in the OOD set.
class SearchOnContributions : public testing::Test {
 protected:
  static SearchOptions Options() {
    SearchOptions options;
    options.layers = {{{10, 20}, {1.0, 100.0}, {3, 9}}, {{10}, {1.0, 10.0}, {3, 1}}};
    options.binnings = {Binning::kGeometric, Binning::kLogit};
    options.subsets = kBothOrEither;
    options.max_candidates = 1000;
    options.ranking_length = 1000;
    options.memory_limit = 1 << 20;
    return options;
  }

  static DetectorOptions Detector() {
    DetectorOptions options;
    for (const char* name : {"a", "b"}) {
      LayerOptions& layer = options.layers.emplace_back();
      layer.name = name;
      layer.m_bins = 10;
      layer.alpha = 1;
      layer.o_star = 3;
    }
    return options;
  }

  static std::vector<at::Tensor> Contributions(int64_t rows, double scale) {
    return {at::randn({rows, 6}) * scale, at::randn({rows, 3}) * scale};
  }

  static void Fill(Search& search) {
    at::manual_seed(1);
    for (const int64_t rows : {20, 13}) search.Collect(0, Contributions(rows, 1), {1, 0});
    search.Collect(1, Contributions(24, 1), {1, 0});
    search.Collect(2, Contributions(18, 1.5), {1, 0});
  }

  static void Finish(Search& search) {
    while (!search.Step().is_done) continue;
  }
};

TEST_F(SearchOnContributions, ScoresAllCombinationsOfAllBinRules) {
  Search search(Options(), Detector());
  Fill(search);
  Finish(search);
  EXPECT_EQ(search.scored(), 2U * (8 * 4 + 8 + 4));
  EXPECT_EQ(search.ranking().size(), search.scored());
  EXPECT_TRUE(search.is_exhaustive());
  EXPECT_FALSE(search.is_on_disk());
  EXPECT_EQ(search.own().candidate.choice, (Choice{0, 0}));
  EXPECT_EQ(search.own().candidate.binning, 0U);
  EXPECT_TRUE(search.Step().is_done);
}

TEST_F(SearchOnContributions, FindsTheSameOnOneCore) {
  Search on_all(Options(), Detector());
  Fill(on_all);
  Finish(on_all);
  cpu_set_t before;
  sched_getaffinity(0, sizeof(before), &before);
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  sched_setaffinity(0, sizeof(one), &one);
  Search on_one(Options(), Detector());
  Fill(on_one);
  Finish(on_one);
  sched_setaffinity(0, sizeof(before), &before);
  ASSERT_EQ(on_one.ranking().size(), on_all.ranking().size());
  for (size_t i = 0; i < on_all.ranking().size(); ++i) {
    EXPECT_EQ(on_one.ranking()[i].candidate.choice, on_all.ranking()[i].candidate.choice);
    EXPECT_EQ(on_one.ranking()[i].value, on_all.ranking()[i].value);
    EXPECT_EQ(on_one.ranking()[i].held_back, on_all.ranking()[i].held_back);
  }
}

TEST_F(SearchOnContributions, SharesTheLimitBetweenTheBinRules) {
  for (const size_t limit : {1, 2, 5, 40}) {
    SearchOptions options = Options();
    options.max_candidates = limit;
    Search search(options, Detector());
    Fill(search);
    Finish(search);
    EXPECT_EQ(search.scored(), limit);
    EXPECT_FALSE(search.is_exhaustive());
    EXPECT_EQ(search.own().candidate.choice, (Choice{0, 0}));
  }
}

TEST_F(SearchOnContributions, MakesTheFitOfACandidate) {
  Search search(Options(), Detector());
  Fill(search);
  Finish(search);
  const SearchCandidate both{1, {7, 3}};
  EXPECT_EQ(search.OptionsOf(both).binning, Binning::kLogit);
  EXPECT_EQ(search.OptionsOf(both).layers[0].m_bins, 20);
  EXPECT_EQ(search.OptionsOf(both).layers[0].alpha, 100.0);
  EXPECT_EQ(search.OptionsOf(both).layers[0].o_star, 9);
  EXPECT_EQ(search.OptionsOf(both).layers[1].o_star, 1);
  const Fit fit = search.FitOf(both);
  EXPECT_EQ(fit.samples, 33);
  EXPECT_EQ(fit.execution_order, (std::vector<size_t>{1, 0}));
  EXPECT_EQ(fit.counts[0].sizes(), (at::IntArrayRef{6, 20}));
  EXPECT_TRUE(fit.counts[0].sum(1).eq(33).all().item<bool>());
  const Fit second = search.FitOf({0, {SearchCandidate::kAbsent, 0}});
  EXPECT_EQ(second.execution_order, (std::vector<size_t>{0}));
  EXPECT_EQ(second.counts.size(), 1U);
}

TEST_F(SearchOnContributions, RefusesOtherNumbersOfNeuronsInAnySet) {
  Search search(Options(), Detector());
  search.Collect(0, Contributions(4, 1), {0, 1});
  for (const size_t set : {0, 1, 2}) {
    try {
      search.Collect(set, {at::rand({2, 6}), at::rand({2, 4})}, {0, 1});
      FAIL() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), "ERR_NACUE_SHAPE");
    }
  }
}

}  // namespace

}  // namespace nacue
