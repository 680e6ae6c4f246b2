// See execution_plan.h. Runs on the detector's thread.
#include "execution_plan.h"

#include <ATen/autocast_mode.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/DeviceGuard.h>

namespace nacue {

namespace {

bool MultipliesBfloat16(c10::Device device) {
  if (device.is_cuda()) {
    const c10::DeviceGuard current(device);
    return at::detail::getCUDAHooks().supportsBFloat16ConvolutionWithCuDNNv8();
  }
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16") != 0;
#else
  return false;
#endif
}

Precision FastPrecision(c10::Device device) {
  if (MultipliesBfloat16(device)) return Precision::kBfloat16;
  return device.is_cuda() ? Precision::kTf32 : Precision::kFloat32;
}

}  // namespace

ExecutionPlan ChoosePlan(const DetectorOptions& options, c10::Device device) {
  ExecutionPlan plan;
  plan.mode = options.mode;
  plan.splits_batches = options.chunk_size != kWholeBatch;
  if (options.chunk_size > 0) plan.chunk_size = options.chunk_size;
  if (options.mode == Mode::kParity) return plan;
  plan.precision = options.precision.value_or(FastPrecision(device));
  plan.channels_last = true;
  return plan;
}

PrecisionScope::PrecisionScope(Precision precision, c10::Device device)
    : is_lower_(precision == Precision::kBfloat16), device_type_(device.type()) {
  if (!is_lower_) return;
  was_enabled_ = at::autocast::is_autocast_enabled(device_type_);
  at::autocast::set_autocast_enabled(device_type_, true);
  at::autocast::set_autocast_dtype(device_type_, at::kBFloat16);
  at::autocast::increment_nesting();
}

PrecisionScope::~PrecisionScope() {
  if (!is_lower_) return;
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(device_type_, was_enabled_);
}

}  // namespace nacue
