// Whether float32 products and convolutions on CUDA may round their operands to TF32: flags of the whole process, which
// detectors on different threads want in different ways.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>

#include "options.h"

namespace nacue {

// While one lives, cuBLAS and cuDNN use TF32 exactly where the precision is not kFloat32; then the flags are again what
// they were. Turns that want the same overlap, others wait for each other in the order in which they came; a turn
// inside of another on the same thread, of the same precision, is part of it. On the CPU it does nothing.
//
// The flags count when a kernel is launched, so that a turn ends without waiting for the device.
class Tf32Turn {
 public:
  Tf32Turn(Precision precision, c10::Device device);
  ~Tf32Turn();
  Tf32Turn(const Tf32Turn&) = delete;
  Tf32Turn& operator=(const Tf32Turn&) = delete;

  // How many wait for theirs now.
  static int64_t Waiting();

 private:
  const bool is_outermost_;
};

}  // namespace nacue
