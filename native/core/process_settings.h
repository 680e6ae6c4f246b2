// What a detector sets for its thread and, once, for the process.
#pragma once

namespace nacue {

// Threads for one operation on the calling thread; 0 is LibTorch's own choice.
void SetThreads(int num_threads);

// Tells glibc's allocator to give large activations back at once, unless the user has tuned it.
void TuneAllocator();

}  // namespace nacue
