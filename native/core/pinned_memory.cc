// See pinned_memory.h. LibTorch's allocator is found in its registry: nothing of libtorch_cuda is linked.
#include "pinned_memory.h"

#include <ATen/core/CachingHostAllocator.h>
#include <c10/util/Exception.h>

#include <utility>

#include "device_stream.h"

namespace nacue {

HostMemory AllocatePinned(size_t bytes) {
  if (bytes == 0) return AllocateAligned(bytes);
  try {
    auto memory = std::make_shared<c10::DataPtr>(at::getHostAllocator(c10::kCUDA)->allocate(bytes));
    void* const data = memory->get();
    return {data, [memory = std::move(memory)](void*) mutable { memory.reset(); }};
  } catch (const c10::Error&) {  // the system pins no more: the copy is slower then, its result the same
    return AllocateAligned(bytes);
  }
}

void KeepUntilCopied(const void* data, c10::Device device) {
  if (!device.is_cuda() || data == nullptr) return;
  at::getHostAllocator(c10::kCUDA)->record_event(const_cast<void*>(data), /*ctx=*/nullptr, CurrentStream(device));
}

}  // namespace nacue
