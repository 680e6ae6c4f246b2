// The detector's memory: whose blocks they are, how long they live, what is counted, and that memory goes back.
#include "core/block_cache.h"

#include <ATen/ATen.h>
#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace nacue {

namespace {

constexpr int64_t kMebibyte = 1 << 20;
constexpr int64_t kPage = 2 * kMebibyte;

at::Tensor Filled(int64_t bytes, int value = 1) {
  return at::full({bytes}, value, at::kByte);
}

bool IsFilled(const at::Tensor& tensor, int value = 1) {
  return tensor.eq(value).all().item<bool>();
}

bool IsPooled(const at::Tensor& tensor) {
  return BlockPool::Of(tensor.data_ptr()) != nullptr;
}

void RunScopes(BlockCache& cache, uint64_t count, int64_t bytes = kMebibyte) {
  for (uint64_t scope = 0; scope < count; ++scope) {
    const BlockCache::Scope running(cache);
    Filled(bytes);
  }
}

// Of this process: the address space, and what of it is in memory.
struct ProcessBytes {
  int64_t reserved = 0;
  int64_t resident = 0;
};

ProcessBytes MeasureProcess() {
  ProcessBytes pages;
  std::ifstream("/proc/self/statm") >> pages.reserved >> pages.resident;
  const int64_t page = sysconf(_SC_PAGESIZE);
  return {pages.reserved * page, pages.resident * page};
}

int64_t ResidentBytes() {
  return MeasureProcess().resident;
}

long PageFaults() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

}  // namespace

TEST(BlockCache, TakesLargeTensorsOfTheThreadOnlyWhileAScopeRuns) {
  BlockCache cache;
  EXPECT_FALSE(IsPooled(Filled(kMebibyte)));
  {
    const BlockCache::Scope scope(cache);
    EXPECT_TRUE(IsPooled(Filled(kMebibyte)));
    EXPECT_TRUE(IsPooled(Filled(kSmallestBlock)));
    EXPECT_FALSE(IsPooled(Filled(kSmallestBlock - 1)));
    EXPECT_FALSE(IsPooled(at::empty({0})));
    std::thread([] { EXPECT_FALSE(IsPooled(Filled(kMebibyte))); }).join();
  }
  EXPECT_FALSE(IsPooled(Filled(kMebibyte)));
}

TEST(BlockCache, GivesASecondPassTheSamePlacesWithoutPageFaults) {
  BlockCache cache;
  const auto pass = [&] {
    const BlockCache::Scope scope(cache);
    std::vector<void*> places;
    std::vector<at::Tensor> kept;
    for (int64_t layer = 1; layer <= 8; ++layer) {
      Filled(layer * 3 * kMebibyte);
      kept.push_back(Filled(layer * kMebibyte));
      places.push_back(kept.back().data_ptr());
    }
    return places;
  };
  const std::vector<void*> places = pass();
  const long before = PageFaults();
  EXPECT_EQ(pass(), places);
  EXPECT_LT(PageFaults() - before, 1000);  // of 36,000 pages
}

TEST(BlockCache, AlignsEveryBlockLikeLibTorch) {
  BlockCache cache;
  const BlockCache::Scope scope(cache);
  std::vector<at::Tensor> tensors;
  for (int64_t odd = 1; odd < 200; odd += 6) tensors.push_back(Filled(kMebibyte / 4 + odd));
  for (const at::Tensor& tensor : tensors) EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.data_ptr()) % 64, 0U);
}

TEST(BlockCache, JoinsWhatIsFree) {
  BlockCache cache;
  const BlockCache::Scope scope(cache);
  for (const std::vector<size_t>& order : {std::vector<size_t>{0, 1, 2}, {2, 1, 0}, {0, 2, 1}, {1, 0, 2}}) {
    std::vector<at::Tensor> parts = {Filled(kMebibyte), Filled(kMebibyte), Filled(kMebibyte)};
    const void* const first = parts[0].data_ptr();
    for (const size_t part : order) parts[part].reset();
    EXPECT_EQ(Filled(3 * kMebibyte).data_ptr(), first);
  }
  EXPECT_LE(cache.held_bytes(), static_cast<size_t>(2 * kPage));
}

TEST(BlockCache, TakesTheSmallestHoleThatFits) {
  BlockCache cache;
  const BlockCache::Scope scope(cache);
  std::vector<at::Tensor> tensors;
  for (const int64_t size : {3, 1, 2, 1}) tensors.push_back(Filled(size * kMebibyte));
  const void* const large = tensors[0].data_ptr();
  const void* const small = tensors[2].data_ptr();
  tensors[0].reset();
  tensors[2].reset();
  const at::Tensor fits = Filled(2 * kMebibyte);
  EXPECT_EQ(fits.data_ptr(), small);
  EXPECT_NE(Filled(3 * kMebibyte + 1).data_ptr(), large);
  EXPECT_EQ(Filled(2 * kMebibyte).data_ptr(), large);
  EXPECT_TRUE(IsFilled(tensors[1]) && IsFilled(tensors[3]) && IsFilled(fits));
}

TEST(BlockCache, TensorsOutliveScopeCacheAndThread) {
  at::Tensor kept = std::async(std::launch::async, [] {
                      BlockCache cache;
                      const BlockCache::Scope scope(cache);
                      Filled(16 * kMebibyte, 7);
                      return Filled(4 * kMebibyte, 5);
                    }).get();
  EXPECT_TRUE(IsPooled(kept));
  EXPECT_TRUE(IsFilled(kept, 5));
  const void* const place = kept.data_ptr();
  kept.reset();
  EXPECT_EQ(BlockPool::Of(place), nullptr);
}

TEST(BlockCache, ACacheThatIsGoneKeepsOnlyTheBlocksInUse) {
  auto cache = std::make_unique<BlockCache>();
  std::optional<BlockCache::Scope> scope(*cache);
  const at::Tensor kept = Filled(4 * kMebibyte, 5);
  at::Tensor freed_later = Filled(100 * kMebibyte);
  Filled(100 * kMebibyte);
  scope.reset();
  const int64_t before = ResidentBytes();
  cache.reset();
  EXPECT_LT(ResidentBytes(), before - 90 * kMebibyte);
  freed_later.reset();
  EXPECT_LT(ResidentBytes(), before - 180 * kMebibyte);
  EXPECT_TRUE(IsFilled(kept, 5));
}

TEST(BlockCache, MemoryOfAHugeBatchGoesBack) {
  BlockCache cache;
  RunScopes(cache, 1, 300 * kMebibyte);
  const int64_t before = ResidentBytes();
  RunScopes(cache, BlockPool::kKeptScopes - 1);
  EXPECT_GE(cache.held_bytes(), static_cast<size_t>(300 * kMebibyte));
  RunScopes(cache, 1);
  EXPECT_EQ(cache.held_bytes(), static_cast<size_t>(kPage));
  EXPECT_LT(ResidentBytes(), before - 280 * kMebibyte);
  RunScopes(cache, 1, 300 * kMebibyte);  // and can be had again
}

TEST(BlockCache, MemoryGoesBackAroundATensorThatIsKept) {
  BlockCache cache;
  at::Tensor kept;
  {
    const BlockCache::Scope scope(cache);
    const at::Tensor before = Filled(100 * kMebibyte);
    kept = Filled(kMebibyte, 9);
    Filled(100 * kMebibyte);
  }
  RunScopes(cache, BlockPool::kKeptScopes);
  EXPECT_LE(cache.held_bytes(), static_cast<size_t>(3 * kPage));
  EXPECT_TRUE(IsFilled(kept, 9));
}

TEST(BlockCache, KeepsThePagesOfATensorThatWasFreedJustNow) {
  BlockCache cache;
  at::Tensor kept;
  {
    const BlockCache::Scope scope(cache);
    const at::Tensor before = Filled(20 * kMebibyte);
    kept = Filled(20 * kMebibyte);
  }
  RunScopes(cache, BlockPool::kKeptScopes);
  kept.reset();
  RunScopes(cache, BlockPool::kKeptScopes - 1);
  EXPECT_GE(cache.held_bytes(), static_cast<size_t>(20 * kMebibyte));
  RunScopes(cache, 2);
  EXPECT_EQ(cache.held_bytes(), static_cast<size_t>(kPage));
}

TEST(BlockCache, CountsTheMostInUseAtOncePerScope) {
  BlockCache cache;
  const auto is_about = [&](int64_t bytes) {
    const auto peak = static_cast<int64_t>(cache.peak_bytes());
    return peak >= bytes && peak <= bytes + 1024;
  };
  {
    const BlockCache::Scope scope(cache);
    at::Tensor first = Filled(kMebibyte);
    Filled(2 * kMebibyte);
    EXPECT_TRUE(is_about(3 * kMebibyte));
    first.reset();
    const BlockCache::Scope inner(cache);
    Filled(kMebibyte);
    EXPECT_TRUE(is_about(3 * kMebibyte));
  }
  EXPECT_TRUE(is_about(3 * kMebibyte));
  RunScopes(cache, 1, kMebibyte);
  EXPECT_TRUE(is_about(kMebibyte));
}

TEST(BlockCache, ScopesNestAndEndWithExceptions) {
  BlockCache outer_cache;
  BlockCache inner_cache;
  const BlockCache::Scope outer(outer_cache);
  const at::Tensor before = Filled(kMebibyte);
  try {
    const BlockCache::Scope inner(inner_cache);
    EXPECT_NE(BlockPool::Of(Filled(kMebibyte).data_ptr()), BlockPool::Of(before.data_ptr()));
    throw std::runtime_error("a stage");
  } catch (const std::runtime_error&) {
  }
  EXPECT_EQ(BlockPool::Of(Filled(kMebibyte).data_ptr()), BlockPool::Of(before.data_ptr()));
}

TEST(BlockCache, StoragesGrowInAndOutOfAScope) {
  BlockCache cache;
  at::Tensor within;
  at::Tensor without = Filled(kMebibyte, 3);
  {
    const BlockCache::Scope scope(cache);
    within = Filled(kMebibyte, 4);
    within.resize_({2 * kMebibyte});
    without.resize_({2 * kMebibyte});
    EXPECT_TRUE(IsPooled(without));
  }
  within.resize_({3 * kMebibyte});
  EXPECT_FALSE(IsPooled(within));
  EXPECT_TRUE(IsFilled(within.slice(0, 0, kMebibyte), 4));
  EXPECT_TRUE(IsFilled(without.slice(0, 0, kMebibyte), 3));
}

TEST(BlockCache, ServesTheRawInterface) {
  BlockCache cache;
  c10::Allocator* const allocator = c10::GetCPUAllocator();
  void* const elsewhere = allocator->raw_allocate(kMebibyte);
  void* block = nullptr;
  {
    const BlockCache::Scope scope(cache);
    block = allocator->raw_allocate(kMebibyte);
    void* const small = allocator->raw_allocate(64);
    EXPECT_NE(BlockPool::Of(block), nullptr);
    EXPECT_EQ(BlockPool::Of(small), nullptr);
    allocator->raw_deallocate(elsewhere);
    allocator->raw_deallocate(small);
  }
  allocator->raw_deallocate(block);
  RunScopes(cache, 1);
  EXPECT_EQ(cache.held_bytes(), static_cast<size_t>(kPage));
}

TEST(BlockCache, TwoThreadsKeepTheirBlocksApartAndFreeEachOthers) {
  const auto work = [](int value) {
    BlockCache cache;
    std::vector<at::Tensor> kept;
    for (int scope = 0; scope < 20; ++scope) {
      const BlockCache::Scope running(cache);
      for (int64_t block = 1; block <= 10; ++block) {
        kept.push_back(Filled(block * kSmallestBlock, value));
        if (block % 3 == 0) kept.erase(kept.begin());
      }
      for (const at::Tensor& tensor : kept) EXPECT_TRUE(IsFilled(tensor, value));
      if (scope < 19) kept.resize(3);
    }
    return kept;
  };
  auto one = std::async(std::launch::async, work, 1);
  auto two = std::async(std::launch::async, work, 2);
  std::vector<at::Tensor> of_one = one.get();
  std::vector<at::Tensor> of_two = two.get();
  auto freed = std::async(std::launch::async, [&] { of_two.clear(); });
  of_one.clear();
  freed.get();
}

TEST(BlockCacheDeathTest, TheProcessMayEndWhileTensorsLive) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto end = [] {
    static BlockCache cache;
    const BlockCache::Scope scope(cache);
    static const at::Tensor kept = Filled(kMebibyte);
    static thread_local const at::Tensor kept_by_thread = Filled(kMebibyte);
    std::exit(0);
  };
  EXPECT_EXIT(end(), testing::ExitedWithCode(0), "");
}

#ifdef __SANITIZE_ADDRESS__

TEST(BlockCacheDeathTest, AddressSanitizerSeesWhoWritesPastABlockOrAfterIt) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  BlockCache cache;
  const BlockCache::Scope scope(cache);
  at::Tensor tensor = Filled(kMebibyte + 1);
  auto* const data = static_cast<volatile uint8_t*>(tensor.data_ptr());
  EXPECT_DEATH(data[kMebibyte + 1] = 1, "use-after-poison");
  EXPECT_DEATH(
      {
        tensor.reset();
        data[0] = 1;
      },
      "use-after-poison");
}

#else  // which ends the process where an allocation fails

TEST(BlockCache, LeavesWhatIsTooLargeToLibTorchAndItsError) {
  BlockCache cache;
  const BlockCache::Scope scope(cache);
  const at::Tensor before = Filled(kMebibyte, 6);
  for (const int64_t bytes : {int64_t{1} << 46, int64_t{1} << 62}) {
    try {
      at::empty({bytes}, at::kByte);
      ADD_FAILURE() << bytes << " bytes were given";
    } catch (const c10::Error& failure) {
      EXPECT_NE(std::string(failure.what()).find("memory"), std::string::npos) << failure.what();
    }
  }
  EXPECT_TRUE(IsFilled(before, 6));
  EXPECT_TRUE(IsPooled(Filled(kMebibyte)));
}

TEST(BlockCacheDeathTest, LibTorchServesWhereNoAddressSpaceCanBeReserved) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto compute = [] {
    const rlimit limit = {static_cast<rlim_t>(MeasureProcess().reserved + 256 * kMebibyte), RLIM_INFINITY};
    if (setrlimit(RLIMIT_AS, &limit) != 0) std::exit(2);
    BlockCache cache;
    const BlockCache::Scope scope(cache);
    const at::Tensor tensor = Filled(kMebibyte);
    std::exit(IsFilled(tensor) && !IsPooled(tensor) && cache.held_bytes() == 0 ? 0 : 1);
  };
  EXPECT_EXIT(compute(), testing::ExitedWithCode(0), "");
}

TEST(BlockCacheDeathTest, WorksAgainAfterTheKernelRefusedMemory) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto compute = [] {
    BlockCache cache;
    const BlockCache::Scope scope(cache);
    const rlimit little = {rlim_t{1} << 29, RLIM_INFINITY};
    if (setrlimit(RLIMIT_DATA, &little) != 0) std::exit(2);
    try {
      at::empty({int64_t{1} << 30}, at::kByte);
      std::exit(3);
    } catch (const c10::Error&) {
    }
    const rlimit any = {RLIM_INFINITY, RLIM_INFINITY};
    if (setrlimit(RLIMIT_DATA, &any) != 0) std::exit(2);
    std::exit(IsPooled(at::empty({int64_t{1} << 30}, at::kByte)) ? 0 : 1);
  };
  EXPECT_EXIT(compute(), testing::ExitedWithCode(0), "");
}

#endif

}  // namespace nacue
