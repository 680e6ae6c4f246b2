// See parallel.h.
#include "parallel.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace nacue {

size_t WorkerCount() {
  return std::max<size_t>(1, std::thread::hardware_concurrency());
}

void ForEachInParallel(size_t count, const std::function<void(size_t)>& work) {
  std::atomic<size_t> next = 0;
  std::exception_ptr failure;
  std::mutex mutex;
  const auto run = [&] {
    try {
      at::get_num_threads();  // LibTorch's first look at a thread's number would overwrite the one that is set
      at::set_num_threads(1);
      const at::NoGradGuard no_gradients;
      for (size_t index = next++; index < count; index = next++) work(index);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex);
      if (!failure) failure = std::current_exception();
      next = count;
    }
  };
  {
    std::vector<std::jthread> workers;  // joined at the end of this block
    const size_t wanted = std::min(WorkerCount(), count);
    workers.reserve(wanted);
    try {
      while (workers.size() < wanted) workers.emplace_back(run);
    } catch (const std::system_error&) {
      if (workers.empty()) throw;  // else fewer do
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace nacue
