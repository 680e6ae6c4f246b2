// See kernel_image.h. native/cuda/cuda.cmake defines NACUE_KERNEL_IMAGE, the file.
#include "kernel_image.h"

#ifdef NACUE_KERNEL_IMAGE

// The driver reads the image's size from its own head; it wants it aligned.
asm(R"(
  .pushsection .rodata
  .balign 64
nacue_kernel_image:
  .incbin ")" NACUE_KERNEL_IMAGE R"("
  .popsection
)");

extern "C" __attribute__((visibility("hidden"))) const unsigned char kNacueKernelImage[] asm("nacue_kernel_image");

#endif

namespace nacue {

const void* KernelImage() {
#ifdef NACUE_KERNEL_IMAGE
  return kNacueKernelImage;
#else
  return nullptr;
#endif
}

}  // namespace nacue
