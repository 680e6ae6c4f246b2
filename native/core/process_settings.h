// What is set for a thread and, once, for the process.
#pragma once

namespace nacue {

// Threads for one operation on the calling thread; 0 is LibTorch's own choice.
void SetThreads(int num_threads);

// Gives the calling thread the longest time slice there is, so that threads with the usual one interrupt it when they
// wake up; its priority and its share stay. False where the system knows no time slices: Linux does since 6.12.
bool LengthenTimeSlice();

// Tells glibc's allocator to give large activations back at once, unless the user has tuned it.
void TuneAllocator();

}  // namespace nacue
