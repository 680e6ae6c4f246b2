// Replaces operator new and delete of the test program by the same with a count, which runs only within AllocationPeak.
// The forms for arrays and without exceptions come down to these, the aligned ones are not counted.
#include "allocation_peak.h"

#include <malloc.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <new>

#if defined(__has_feature)  // clang
#define NACUE_COUNTS_ALLOCATIONS !__has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define NACUE_COUNTS_ALLOCATIONS 0
#else
#define NACUE_COUNTS_ALLOCATIONS 1
#endif

namespace nacue {

namespace {

struct Count {
  bool is_on;
  int64_t live, peak;
};

thread_local constinit Count count = {};

[[maybe_unused]] void Add(int64_t bytes) {
  if (!count.is_on) return;
  count.live += bytes;
  count.peak = std::max(count.peak, count.live);
}

}  // namespace

size_t AllocationPeak(const std::function<void()>& run) {
  count = {true, 0, 0};
  run();
  count.is_on = false;
  return static_cast<size_t>(count.peak);
}

const bool kCountsAllocations = NACUE_COUNTS_ALLOCATIONS;

}  // namespace nacue

#if NACUE_COUNTS_ALLOCATIONS

void* operator new(size_t size) {
  void* const memory = std::malloc(size);
  if (!memory) throw std::bad_alloc();
  nacue::Add(static_cast<int64_t>(malloc_usable_size(memory)));
  return memory;
}

void operator delete(void* memory) noexcept {
  nacue::Add(-static_cast<int64_t>(malloc_usable_size(memory)));
  std::free(memory);
}

void operator delete(void* memory, size_t) noexcept {
  operator delete(memory);
}

#endif
