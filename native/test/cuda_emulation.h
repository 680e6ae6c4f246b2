// Runs the kernels of native/cuda on the CPU, every thread of a block as a fiber of its own, so that what they compute
// is tested where there is no GPU. Blocks run one after another, the threads of one in an order of choice from barrier
// to barrier: where a barrier is missing, the two orders give different results.
#pragma once

#include <bit>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "core/kernel_runner.h"

#define NACUE_DEVICE inline
// Of one block at a time.
#define NACUE_SHARED static
#define NACUE_UNROLL
#define NACUE_UNROLL_4
#define NACUE_KERNEL(name, parameters, body) \
  static void name parameters {              \
    body;                                    \
  }                                          \
  static const nacue::EmulatedKernel emulated_##name(#name, &name);

namespace nacue {

int ThreadInBlock();
int64_t Block();
int64_t Blocks();
void SyncBlock();
float FromLaneBelow(float value, int offset);

inline void AddAtomically(int64_t* target, int64_t value) {
  *target += value;
}
inline uint32_t BitsOf(float value) {
  return std::bit_cast<uint32_t>(value);
}
inline float FloatOf(uint32_t bits) {
  return std::bit_cast<float>(bits);
}

// By name, with the arguments as a launch hands them over.
std::map<std::string, std::function<void(void**)>>& EmulatedKernels();

class EmulatedKernel {
 public:
  template <typename... Arguments>
  EmulatedKernel(const char* name, void (*kernel)(Arguments...)) {
    EmulatedKernels()[name] = [kernel](void** arguments) {
      Call(kernel, arguments, std::index_sequence_for<Arguments...>());
    };
  }

 private:
  template <typename... Arguments, size_t... kPlaces>
  static void Call(void (*kernel)(Arguments...), void** arguments, std::index_sequence<kPlaces...>) {
    kernel(*static_cast<Arguments*>(arguments[kPlaces])...);
  }
};

enum class ThreadOrder { kAscending, kDescending };

class EmulatedDevice final : public KernelRunner {
 public:
  explicit EmulatedDevice(ThreadOrder order = ThreadOrder::kAscending) : order_(order) {}
  // False for a kernel that there is not.
  bool Run(const KernelLaunch& launch) override;
  // The names of what ran.
  const std::vector<std::string>& launched() const { return launched_; }

 private:
  ThreadOrder order_;
  std::vector<std::string> launched_;
};

}  // namespace nacue
