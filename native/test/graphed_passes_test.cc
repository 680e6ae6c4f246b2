// The policy of recorded passes, with a recorder that runs a pass again where CUDA would replay it.
#include "core/graphed_passes.h"

#include <gtest/gtest.h>

namespace nacue {

namespace {

// Counts what is asked of it; refuses batches of `refused` samples.
struct RecorderLog {
  int recorded = 0;
  int replayed = 0;
  int alive = 0;
  bool refuses = false;
};

class RepeatingRecorder final : public PassRecorder {
 public:
  explicit RepeatingRecorder(RecorderLog& log) : log_(log) {}

  std::unique_ptr<Recording> Record(const std::function<void()>& pass) override {
    if (log_.refuses) return nullptr;
    pass();
    ++log_.recorded;
    return std::make_unique<Repetition>(log_, pass);
  }

 private:
  class Repetition final : public Recording {
   public:
    Repetition(RecorderLog& log, std::function<void()> pass) : log_(log), pass_(std::move(pass)) { ++log_.alive; }
    ~Repetition() override { --log_.alive; }
    void Replay() override {
      ++log_.replayed;
      pass_();
    }

   private:
    RecorderLog& log_;
    const std::function<void()> pass_;
  };

  RecorderLog& log_;
};

class GraphedPassesTest : public testing::Test {
 protected:
  GraphedPasses Passes(bool pads) { return GraphedPasses(std::make_unique<RepeatingRecorder>(log_), pads); }

  // Twice the sum of each sample, and how many samples the pass saw.
  BatchContributions Run(GraphedPasses& passes, const at::Tensor& samples) {
    return passes.Run(samples, at::kCPU, pass_);
  }

  RecorderLog log_;
  std::vector<int64_t> sizes_;
  const GraphedPasses::Pass pass_ = [this](const at::Tensor& samples) {
    sizes_.push_back(samples.size(0));
    BatchContributions passed;
    passed.logits = samples.sum(1, /*keepdim=*/true) * 2;
    passed.layers = {samples + 1, samples * samples};
    passed.finite = at::isfinite(samples).all(1);
    passed.output_shapes = {{3}, {3}};
    passed.execution_order = {1, 0};
    return passed;
  };
};

void ExpectPassed(const BatchContributions& passed, const at::Tensor& samples) {
  EXPECT_TRUE(passed.logits.equal(samples.sum(1, true) * 2));
  EXPECT_TRUE(passed.layers.at(0).equal(samples + 1));
  EXPECT_TRUE(passed.layers.at(1).equal(samples * samples));
  EXPECT_EQ(passed.finite.size(0), samples.size(0));
  EXPECT_EQ(passed.output_shapes.size(), 2U);
  EXPECT_EQ(passed.execution_order, (std::vector<size_t>{1, 0}));
}

TEST_F(GraphedPassesTest, RecordsAShapeAtItsThirdUse) {
  GraphedPasses passes = Passes(/*pads=*/false);
  for (int use = 1; use <= 5; ++use) {
    const at::Tensor samples = at::randn({4, 3});
    ExpectPassed(Run(passes, samples), samples);
    EXPECT_EQ(log_.recorded, use < 3 ? 0 : 1);
    EXPECT_EQ(log_.replayed, use < 3 ? 0 : use - 2);
  }
  EXPECT_EQ(passes.recorded(), 1U);
}

TEST_F(GraphedPassesTest, GivesResultsThatTheNextReplayLeavesAlone) {
  GraphedPasses passes = Passes(/*pads=*/false);
  const at::Tensor samples = at::randn({2, 3});
  for (int use = 0; use < 2; ++use) Run(passes, samples);
  const BatchContributions first = Run(passes, samples);
  Run(passes, at::zeros({2, 3}));
  ExpectPassed(first, samples);
}

TEST_F(GraphedPassesTest, TakesEverySizeForAShapeOfItsOwnUnlessItPads) {
  GraphedPasses passes = Passes(/*pads=*/false);
  for (const int64_t size : {5, 6, 7, 8}) Run(passes, at::randn({size, 3}));
  EXPECT_EQ(log_.recorded, 0);
  EXPECT_EQ(sizes_, (std::vector<int64_t>{5, 6, 7, 8}));
}

TEST_F(GraphedPassesTest, SharesARecordingAmongSizesAndCutsThePaddingOff) {
  GraphedPasses passes = Passes(/*pads=*/true);
  for (const int64_t size : {5, 6, 7, 8, 5}) {
    const at::Tensor samples = at::randn({size, 3});
    ExpectPassed(Run(passes, samples), samples);
  }
  EXPECT_EQ(log_.recorded, 1);
  // Two as they are, then recorded and replayed at eight.
  EXPECT_EQ(sizes_, (std::vector<int64_t>{5, 6, 8, 8, 8, 8}));
}

TEST_F(GraphedPassesTest, PadsWithZeros) {
  GraphedPasses passes = Passes(/*pads=*/true);
  for (int use = 0; use < 3; ++use) Run(passes, at::full({8, 3}, 7.0));
  at::Tensor seen;
  GraphedPasses others(std::make_unique<RepeatingRecorder>(log_), /*pads=*/true);
  const GraphedPasses::Pass keep = [&](const at::Tensor& samples) {
    seen = samples.clone();
    return pass_(samples);
  };
  for (const int64_t size : {8, 8, 8, 5}) others.Run(at::full({size, 3}, 7.0), at::kCPU, keep);
  EXPECT_TRUE(seen.narrow(0, 0, 5).eq(7.0).all().item<bool>());
  EXPECT_TRUE(seen.narrow(0, 5, 3).eq(0.0).all().item<bool>());
}

TEST_F(GraphedPassesTest, NeverRecordsAgainWhatCannotBeRecorded) {
  GraphedPasses passes = Passes(/*pads=*/false);
  log_.refuses = true;
  const at::Tensor samples = at::randn({4, 3});
  for (int use = 0; use < 3; ++use) ExpectPassed(Run(passes, samples), samples);
  log_.refuses = false;
  for (int use = 0; use < 5; ++use) ExpectPassed(Run(passes, samples), samples);
  EXPECT_EQ(log_.recorded, 0);
  for (int use = 0; use < 3; ++use) Run(passes, at::randn({2, 3}));
  EXPECT_EQ(log_.recorded, 1);
}

TEST_F(GraphedPassesTest, KeepsTheShapesUsedLast) {
  GraphedPasses passes = Passes(/*pads=*/false);
  const auto use_thrice = [&](int64_t size) {
    for (int use = 0; use < 3; ++use) Run(passes, at::randn({size, 3}));
  };
  const auto most = static_cast<int64_t>(GraphedPasses::kMostRecorded);
  for (int64_t size = 1; size <= most; ++size) use_thrice(size);
  Run(passes, at::randn({1, 3}));  // so that 2 is the one not used for longest
  use_thrice(most + 1);
  EXPECT_EQ(passes.recorded(), GraphedPasses::kMostRecorded);
  EXPECT_EQ(log_.alive, static_cast<int>(GraphedPasses::kMostRecorded));
  const int recorded = log_.recorded;
  Run(passes, at::randn({1, 3}));
  EXPECT_EQ(log_.recorded, recorded);
  const int replayed = log_.replayed;
  Run(passes, at::randn({2, 3}));
  EXPECT_EQ(log_.replayed, replayed);
  EXPECT_EQ(sizes_.back(), 2);
}

TEST_F(GraphedPassesTest, ForgetsShapesWithoutEnd) {
  GraphedPasses passes = Passes(/*pads=*/false);
  for (int use = 0; use < 2; ++use) Run(passes, at::randn({1, 3}));
  for (int64_t size = 2; size < 100; ++size) Run(passes, at::randn({size, 3}));
  Run(passes, at::randn({1, 3}));
  EXPECT_EQ(log_.recorded, 0);
}

TEST_F(GraphedPassesTest, LetsGoOfAllWhenItGivesUp) {
  GraphedPasses passes = Passes(/*pads=*/false);
  const at::Tensor samples = at::randn({4, 3});
  for (int use = 0; use < 3; ++use) Run(passes, samples);
  EXPECT_TRUE(passes.GiveUp());
  EXPECT_EQ(log_.alive, 0);
  EXPECT_FALSE(passes.GiveUp());
  for (int use = 0; use < 5; ++use) ExpectPassed(Run(passes, samples), samples);
  EXPECT_EQ(log_.recorded, 1);
}

TEST(PaddedSize, IsAPowerOfTwoOrHalfwayToTheNext) {
  const std::vector<std::pair<int64_t, int64_t>> cases = {{1, 1},   {2, 2},   {3, 4},   {5, 8},    {8, 8},
                                                          {9, 12},  {12, 12}, {13, 16}, {17, 24},  {25, 32},
                                                          {33, 48}, {49, 64}, {65, 96}, {97, 128}, {129, 192}};
  for (const auto& [size, padded] : cases) EXPECT_EQ(GraphedPasses::PaddedSize(size), padded) << size;
}

}  // namespace

}  // namespace nacue
