// Loops of our own on the threads that LibTorch's operators use, of which at::set_num_threads says how many.
#pragma once

#include <cstdint>
#include <functional>

namespace nacue {

// Cuts [0, size) into ranges, one per thread at most, of at least `least` where there is more than one, and calls
// run(range, begin, end) for each, all at once; range counts from 0. An exception of one is thrown here. LibTorch's
// operators inside of it do not spread any further.
//
// Not at::parallel_for: compiled outside of LibTorch, without its OpenMP, that is a plain loop.
void ForEachRange(int64_t size, int64_t least, const std::function<void(int64_t, int64_t, int64_t)>& run);

// How many ranges that makes.
int64_t RangeCount(int64_t size, int64_t least);

}  // namespace nacue
