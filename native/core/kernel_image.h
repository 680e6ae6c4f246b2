// The machine code of native/cuda that this binary carries, for several kinds of GPUs (a fatbin).
#pragma once

namespace nacue {

// What cuModuleLoadData takes; null in a binary that was built without a CUDA compiler.
const void* KernelImage();

}  // namespace nacue
