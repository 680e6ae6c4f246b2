// See cuda_driver.h. Any thread.
#include "cuda_driver.h"

#include <dlfcn.h>

#include <limits>
#include <optional>

#include "cuda/launch_sizes.h"

namespace nacue {

namespace {

constexpr int kSuccess = 0;

template <typename Function>
bool LookUp(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

std::optional<CudaDriver> OpenDriver() {
  // LibTorch's CUDA part has it open already; RTLD_LOCAL leaves that as it is.
  void* const library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return std::nullopt;
  CudaDriver driver{};
  const bool has_all = LookUp(library, "cuInit", driver.cuInit) && LookUp(library, "cuDeviceGet", driver.cuDeviceGet) &&
                       LookUp(library, "cuDevicePrimaryCtxRetain", driver.cuDevicePrimaryCtxRetain) &&
                       LookUp(library, "cuCtxPushCurrent_v2", driver.cuCtxPushCurrent) &&
                       LookUp(library, "cuCtxPopCurrent_v2", driver.cuCtxPopCurrent) &&
                       LookUp(library, "cuModuleLoadData", driver.cuModuleLoadData) &&
                       LookUp(library, "cuModuleGetFunction", driver.cuModuleGetFunction) &&
                       LookUp(library, "cuLaunchKernel", driver.cuLaunchKernel);
  if (!has_all || driver.cuInit(/*flags=*/0) != kSuccess) return std::nullopt;
  return driver;
}

// LibTorch's calls on this thread keep the context that they have.
class ContextScope {
 public:
  ContextScope(const CudaDriver& driver, CUctx_st* context)
      : driver_(driver), is_current_(driver.cuCtxPushCurrent(context) == kSuccess) {}
  ~ContextScope() {
    CUctx_st* popped = nullptr;
    if (is_current_) driver_.cuCtxPopCurrent(&popped);
  }
  ContextScope(const ContextScope&) = delete;
  ContextScope& operator=(const ContextScope&) = delete;
  bool is_current() const { return is_current_; }

 private:
  const CudaDriver& driver_;
  const bool is_current_;
};

}  // namespace

const CudaDriver* InstalledCudaDriver() {
  static const std::optional<CudaDriver> driver = OpenDriver();
  return driver ? &*driver : nullptr;
}

std::unique_ptr<DeviceKernels> DeviceKernels::Load(const CudaDriver& driver, const void* image,
                                                   const std::vector<const char*>& names, int device,
                                                   CurrentStream current_stream) {
  std::unique_ptr<DeviceKernels> kernels(new DeviceKernels(driver, device, current_stream));
  return kernels->LoadImage(image, names) ? std::move(kernels) : nullptr;
}

bool DeviceKernels::LoadImage(const void* image, const std::vector<const char*>& names) {
  int handle = 0;
  if (driver_.cuDeviceGet(&handle, device_) != kSuccess) return false;
  if (driver_.cuDevicePrimaryCtxRetain(&context_, handle) != kSuccess) return false;
  const ContextScope scope(driver_, context_);
  CUmod_st* module = nullptr;
  if (!scope.is_current() || driver_.cuModuleLoadData(&module, image) != kSuccess) return false;
  for (const char* const name : names) {
    if (driver_.cuModuleGetFunction(&functions_[name], module, name) != kSuccess) return false;
  }
  return true;
}

bool DeviceKernels::Run(const KernelLaunch& launch) {
  const auto function = functions_.find(launch.name);
  if (function == functions_.end()) return false;
  if (launch.blocks < 1 || launch.blocks > std::numeric_limits<int32_t>::max()) return false;
  CUstream_st* const stream = current_stream_(device_);
  const ContextScope scope(driver_, context_);
  return scope.is_current() &&
         driver_.cuLaunchKernel(function->second, static_cast<unsigned>(launch.blocks), 1, 1, kThreadsPerBlock, 1, 1,
                                /*shared_bytes=*/0, stream, launch.arguments, /*extra=*/nullptr) == kSuccess;
}

}  // namespace nacue
