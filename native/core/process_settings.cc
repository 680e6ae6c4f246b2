// See process_settings.h.
#include "process_settings.h"

#include <ATen/Parallel.h>

#include <cstdlib>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace nacue {

// OpenMP keeps the number of threads per calling thread, so every detector sets its own; the default is read before
// anyone does. The first look at it on a thread takes over what any other thread has set last: that look comes first.
void SetThreads(int num_threads) {
  const int inherited_threads = at::get_num_threads();
  static const int default_threads = inherited_threads;
  at::set_num_threads(num_threads > 0 ? num_threads : default_threads);
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
