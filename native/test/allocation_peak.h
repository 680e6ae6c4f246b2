// How much memory a call takes: what operator new gave its thread and was not deleted, at the highest.
#pragma once

#include <cstddef>
#include <functional>

namespace nacue {

// False under AddressSanitizer, whose own operator new stays.
extern const bool kCountsAllocations;

size_t AllocationPeak(const std::function<void()>& run);

}  // namespace nacue
