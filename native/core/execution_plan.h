// What a detector computes in, chosen from its options and the machine, and the scope that makes a model run so.
#pragma once

#include <c10/core/Device.h>

#include "detector.h"
#include "options.h"

namespace nacue {

// Fast mode, where options.precision asks for nothing: bfloat16 where the processor multiplies it (AVX512-BF16, which
// every one with AMX has) or the GPU does (compute capability 8 or later), else tf32 on CUDA and float32 on the CPU.
ExecutionPlan ChoosePlan(const DetectorOptions& options, c10::Device device);

// While it lives, convolutions and products of this thread take bfloat16 operands where the plan says so (autocast).
class PrecisionScope {
 public:
  PrecisionScope(Precision precision, c10::Device device);
  ~PrecisionScope();
  PrecisionScope(const PrecisionScope&) = delete;
  PrecisionScope& operator=(const PrecisionScope&) = delete;

 private:
  const bool is_lower_;
  const c10::DeviceType device_type_;
  bool was_enabled_ = false;
};

}  // namespace nacue
