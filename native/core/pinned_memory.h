// Memory of the host that a CUDA device copies from by itself, so that the thread that asks for a copy need not wait.
#pragma once

#include <c10/core/Device.h>

#include <cstddef>

#include "options.h"

namespace nacue {

// From LibTorch's cache of pinned memory; ordinary memory where there is no more of it. Any thread, once CUDA is in
// use.
HostMemory AllocatePinned(size_t bytes);

// The memory that begins at `data`, if it is pinned, is not used anew before all that the calling thread has queued on
// `device` has run.
void KeepUntilCopied(const void* data, c10::Device device);

}  // namespace nacue
