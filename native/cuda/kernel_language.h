// What the kernels of this folder are written in: CUDA under nvcc; elsewhere native/test/cuda_emulation.h, which runs
// the same bodies on the CPU.
#pragma once

#include <cstdint>

#include "launch_sizes.h"

#ifdef __CUDACC__

#define NACUE_DEVICE __device__ __forceinline__
#define NACUE_SHARED __shared__
#define NACUE_UNROLL _Pragma("unroll")
#define NACUE_UNROLL_4 _Pragma("unroll 4")
// An entry point: found by its name, its parameters are those of its launch.
#define NACUE_KERNEL(name, parameters, body)                                              \
  extern "C" __global__ void __launch_bounds__(nacue::kThreadsPerBlock) name parameters { \
    body;                                                                                 \
  }

namespace nacue {

NACUE_DEVICE int ThreadInBlock() {
  return static_cast<int>(threadIdx.x);
}
NACUE_DEVICE int64_t Block() {
  return blockIdx.x;
}
NACUE_DEVICE int64_t Blocks() {
  return gridDim.x;
}
NACUE_DEVICE void SyncBlock() {
  __syncthreads();
}
// The value of the lane `offset` further on; all lanes of the warp take part.
NACUE_DEVICE float FromLaneBelow(float value, int offset) {
  return __shfl_down_sync(0xFFFFFFFFU, value, static_cast<unsigned>(offset));
}
NACUE_DEVICE void AddAtomically(int64_t* target, int64_t value) {
  atomicAdd(reinterpret_cast<unsigned long long*>(target), static_cast<unsigned long long>(value));
}
NACUE_DEVICE uint32_t BitsOf(float value) {
  return __float_as_uint(value);
}
NACUE_DEVICE float FloatOf(uint32_t bits) {
  return __uint_as_float(bits);
}

}  // namespace nacue

#else
#include "test/cuda_emulation.h"
#endif
