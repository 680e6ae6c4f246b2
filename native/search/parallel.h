// All cores on independent pieces of work, whatever number of threads the detector was given.
#pragma once

#include <cstddef>
#include <functional>

namespace nacue {

size_t WorkerCount();

// Calls work(0) .. work(count - 1), each once, on WorkerCount() threads on which LibTorch uses one thread and records
// no gradients. Throws what one of them threw, after all have ended.
void ForEachInParallel(size_t count, const std::function<void(size_t)>& work);

}  // namespace nacue
