// Kernels of our own on one device, through the CUDA driver's library: the binary neither links to it nor to the CUDA
// runtime, and runs where neither is.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernel_runner.h"

// The driver's own names of what it only hands out pointers to.
struct CUctx_st;
struct CUfunc_st;
struct CUmod_st;
struct CUstream_st;

namespace nacue {

// What is used of it; 0 is success. Members are called like the functions of cuda.h, without the _v2 of their symbols.
struct CudaDriver {
  int (*cuInit)(unsigned flags);
  int (*cuDeviceGet)(int* device, int ordinal);
  int (*cuDevicePrimaryCtxRetain)(CUctx_st** context, int device);
  int (*cuCtxPushCurrent)(CUctx_st* context);
  int (*cuCtxPopCurrent)(CUctx_st** context);
  int (*cuModuleLoadData)(CUmod_st** module, const void* image);
  int (*cuModuleGetFunction)(CUfunc_st** function, CUmod_st* module, const char* name);
  int (*cuLaunchKernel)(CUfunc_st* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                        unsigned block_y, unsigned block_z, unsigned shared_bytes, CUstream_st* stream,
                        void** arguments, void** extra);
};

// Null without a driver, or with one that lacks any of it.
const CudaDriver* InstalledCudaDriver();

class DeviceKernels final : public KernelRunner {
 public:
  using CurrentStream = CUstream_st* (*)(int device);

  // Null where the driver has no use for the image on this device. All of `names` are looked up now: while a CUDA graph
  // is captured nothing may be loaded. Works in the device's primary context, LibTorch's.
  static std::unique_ptr<DeviceKernels> Load(const CudaDriver& driver, const void* image,
                                             const std::vector<const char*>& names, int device,
                                             CurrentStream current_stream);
  // Nothing of it is ever given back: the driver may be gone before this process ends.
  bool Run(const KernelLaunch& launch) override;

 private:
  DeviceKernels(const CudaDriver& driver, int device, CurrentStream current_stream)
      : driver_(driver), device_(device), current_stream_(current_stream) {}
  bool LoadImage(const void* image, const std::vector<const char*>& names);

  const CudaDriver& driver_;
  const int device_;
  const CurrentStream current_stream_;
  CUctx_st* context_ = nullptr;
  std::map<std::string, CUfunc_st*, std::less<>> functions_;
};

}  // namespace nacue
