// How a batch is cut into parts: which samples, that all of them run once, and that memory stays below the limit.
#include "core/chunk_planner.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "core/process_settings.h"

namespace nacue {

namespace {

constexpr size_t kMiB = 1 << 20;

class ChunkPlannerTest : public testing::Test {
 protected:
  void SetUp() override { SetThreads(2); }
  void TearDown() override { SetThreads(0); }
};

ChunkPlanner PlannerOf(ChunkSize chunk_size, int64_t memory_limit = 0) {
  DetectorOptions options;
  options.chunk_size = chunk_size;
  options.memory_limit = memory_limit;
  return ChunkPlanner(options);
}

// The new samples of each part.
std::vector<int64_t> NewSamples(const std::vector<BatchPart>& parts) {
  std::vector<int64_t> counts;
  for (const BatchPart& part : parts) counts.push_back(part.count - part.skipped);
  return counts;
}

void ExpectEachSampleOnce(const std::vector<BatchPart>& parts, int64_t batch_size) {
  int64_t next = 0;
  for (const BatchPart& part : parts) {
    EXPECT_EQ(part.first + part.skipped, next);
    EXPECT_GE(part.first, 0);
    next = part.first + part.count;
  }
  EXPECT_EQ(next, batch_size);
}

TEST_F(ChunkPlannerTest, LeavesABatchWholeWithoutAChunkSize) {
  const auto parts = PlannerOf(kWholeBatch).Parts({7, 3});
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_EQ(parts[0].count, 7);
}

TEST_F(ChunkPlannerTest, GivesEachSampleToOnePart) {
  for (int64_t chunk_size = 1; chunk_size <= 9; ++chunk_size) {
    for (int64_t batch_size = 1; batch_size <= 20; ++batch_size) {
      SCOPED_TRACE(std::to_string(chunk_size) + " of " + std::to_string(batch_size));
      ExpectEachSampleOnce(PlannerOf(chunk_size).Parts({batch_size, 3}), batch_size);
    }
  }
}

TEST_F(ChunkPlannerTest, RunsMultiplesOfTheThreadsTheLastOneIncluded) {
  const auto parts = PlannerOf(4).Parts({11, 3});
  EXPECT_EQ(NewSamples(parts), (std::vector<int64_t>{4, 4, 3}));
  EXPECT_EQ(parts.back().first, 7);
  EXPECT_EQ(parts.back().count, 4);
}

TEST_F(ChunkPlannerTest, NeverRunsASampleAlone) {
  for (const BatchPart& part : PlannerOf(1).Parts({5, 3})) EXPECT_EQ(part.count, 2);
}

TEST_F(ChunkPlannerTest, AsksForTheMemoryOfEachShapeOnce) {
  ChunkPlanner planner = PlannerOf(kAutoChunk, 100 * kMiB);
  EXPECT_FALSE(planner.MustMeasure({1, 3}));
  EXPECT_TRUE(planner.MustMeasure({8, 3}));
  planner.Remember({8, 3}, kMiB, 2 * kMiB);
  EXPECT_FALSE(planner.MustMeasure({16, 3}));
  EXPECT_TRUE(planner.MustMeasure({8, 4}));
}

TEST_F(ChunkPlannerTest, TakesAsManySamplesAsTheLimitAllows) {
  ChunkPlanner planner = PlannerOf(kAutoChunk, 100 * kMiB);
  planner.Remember({256, 3}, /*peak_of_one=*/10 * kMiB, /*peak_of_two=*/15 * kMiB);
  const int64_t at_once = planner.Parts({256, 3}).front().count;
  EXPECT_EQ(at_once % 2, 0);
  EXPECT_LE(5.0 + 5.0 * static_cast<double>(at_once), 100.0);
  EXPECT_GE(at_once, 14);
}

TEST_F(ChunkPlannerTest, LeavesRoomForTheBatchItself) {
  ChunkPlanner planner = PlannerOf(kAutoChunk, 100 * kMiB);
  const std::vector<int64_t> shape = {16, 1 << 20};  // 64 MiB
  planner.Remember(shape, 5 * kMiB, 10 * kMiB);
  EXPECT_LE(planner.Parts(shape).front().count, 6);
}

TEST_F(ChunkPlannerTest, StaysAboveNothingWhereTheLimitIsTooLow) {
  ChunkPlanner planner = PlannerOf(kAutoChunk, kMiB);
  planner.Remember({8, 3}, 50 * kMiB, 90 * kMiB);
  EXPECT_EQ(planner.Parts({8, 3}).front().count, 2);
}

TEST_F(ChunkPlannerTest, HalvesUntilTwoSamplesAreLeft) {
  ChunkPlanner planner = PlannerOf(kAutoChunk, 1000 * kMiB);
  planner.Remember({16, 3}, kMiB, 2 * kMiB);
  std::vector<int64_t> sizes;
  do {
    sizes.push_back(planner.Parts({16, 3}).front().count);
  } while (planner.Halve({16, 3}));
  EXPECT_EQ(sizes, (std::vector<int64_t>{16, 8, 4, 2}));
}

TEST_F(ChunkPlannerTest, DoesNotHalveWhatACallerChose) {
  EXPECT_FALSE(PlannerOf(8).Halve({16, 3}));
  EXPECT_FALSE(PlannerOf(kWholeBatch).Halve({16, 3}));
}

}  // namespace

}  // namespace nacue
