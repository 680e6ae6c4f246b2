// See process_settings.h.
#include "process_settings.h"

#include <ATen/Parallel.h>

#include <cstdint>
#include <cstdlib>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#ifdef __linux__
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace nacue {

#ifdef __linux__
namespace {

// struct sched_attr of sched_setattr(2): the kernel's header clashes with that of glibc, which lacks it before 2.41.
struct Schedule {
  uint32_t size;
  uint32_t policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime;
  uint64_t deadline;
  uint64_t period;
};

constexpr int kCallingThread = 0;
constexpr uint64_t kResetOnFork = 1;  // SCHED_FLAG_RESET_ON_FORK: threads that it creates have the usual slice

bool ReadSchedule(Schedule* schedule) {
  return syscall(SYS_sched_getattr, kCallingThread, schedule, sizeof(*schedule), 0) == 0;
}

}  // namespace
#endif

// OpenMP keeps the number of threads per calling thread, so every detector sets its own; the default is read before
// anyone does. The first look at it on a thread takes over what any other thread has set last: that look comes first.
void SetThreads(int num_threads) {
  const int inherited_threads = at::get_num_threads();
  static const int default_threads = inherited_threads;
  at::set_num_threads(num_threads > 0 ? num_threads : default_threads);
}

bool LengthenTimeSlice() {
#ifdef __linux__
  constexpr uint64_t kLongestSlice = 100'000'000;  // ns
  Schedule schedule{};
  if (!ReadSchedule(&schedule) || schedule.policy != SCHED_OTHER) return false;
  schedule.runtime = kLongestSlice;
  schedule.flags |= kResetOnFork;
  // Kernels before 6.12 take it and forget it.
  return syscall(SYS_sched_setattr, kCallingThread, &schedule, 0) == 0 && ReadSchedule(&schedule) &&
         schedule.runtime == kLongestSlice;
#else
  return false;
#endif
}

// Activations of some 25 MB, two of which fill one of the 64 MB heaps of glibc's per-thread arenas, leave a third of
// each heap empty. Beyond this size they get pages of their own, which go back at once; measured: 0.3 GB less at the
// peak of a fit, no slower.
void TuneAllocator() {
#ifdef __GLIBC__
  static const bool is_tuned = [] {
    if (std::getenv("MALLOC_MMAP_THRESHOLD_") != nullptr || std::getenv("GLIBC_TUNABLES") != nullptr) return false;
    return mallopt(M_MMAP_THRESHOLD, 24 << 20) == 1 && mallopt(M_TRIM_THRESHOLD, 64 << 20) == 1;
  }();
  static_cast<void>(is_tuned);
#endif
}

}  // namespace nacue
