// What talks to the CUDA driver, with a driver of the test's own, and with the declarations of the real one where its
// header is there.
#include "core/cuda_driver.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace nacue {

namespace {

// A driver that notes what it is asked for.
struct DriverCalls {
  std::vector<std::string> order;
  std::vector<std::string> functions;
  std::string failing;  // the call that returns an error
  int device = -1;
  unsigned blocks = 0;
  unsigned threads = 0;
  float argument = 0;
  CUstream_st* stream = nullptr;

  int Answer(const char* call) {
    order.emplace_back(call);
    return failing == call ? 1 : 0;
  }
};
DriverCalls driver_calls;

template <typename Handle>
Handle* HandleOf(uintptr_t number) {
  return reinterpret_cast<Handle*>(number);
}

CudaDriver RecordingDriver() {
  CudaDriver driver{};
  driver.cuDeviceGet = [](int* device, int ordinal) {
    *device = ordinal + 100;
    return driver_calls.Answer("cuDeviceGet");
  };
  driver.cuDevicePrimaryCtxRetain = [](CUctx_st** context, int device) {
    driver_calls.device = device;
    *context = HandleOf<CUctx_st>(7);
    return driver_calls.Answer("cuDevicePrimaryCtxRetain");
  };
  driver.cuCtxPushCurrent = [](CUctx_st* context) {
    EXPECT_EQ(context, HandleOf<CUctx_st>(7));
    return driver_calls.Answer("cuCtxPushCurrent");
  };
  driver.cuCtxPopCurrent = [](CUctx_st** context) {
    *context = HandleOf<CUctx_st>(7);
    return driver_calls.Answer("cuCtxPopCurrent");
  };
  driver.cuModuleLoadData = [](CUmod_st** module, const void* image) {
    EXPECT_STREQ(static_cast<const char*>(image), "image");
    *module = HandleOf<CUmod_st>(8);
    return driver_calls.Answer("cuModuleLoadData");
  };
  driver.cuModuleGetFunction = [](CUfunc_st** function, CUmod_st* module, const char* name) {
    EXPECT_EQ(module, HandleOf<CUmod_st>(8));
    driver_calls.functions.emplace_back(name);
    *function = HandleOf<CUfunc_st>(driver_calls.functions.size());
    return driver_calls.Answer("cuModuleGetFunction");
  };
  driver.cuLaunchKernel = [](CUfunc_st* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                             unsigned block_y, unsigned block_z, unsigned shared_bytes, CUstream_st* stream,
                             void** arguments, void** extra) {
    EXPECT_EQ(function, HandleOf<CUfunc_st>(2));
    EXPECT_EQ(std::vector<unsigned>({grid_y, grid_z, block_y, block_z, shared_bytes}),
              std::vector<unsigned>({1, 1, 1, 1, 0}));
    EXPECT_EQ(extra, nullptr);
    driver_calls.blocks = grid_x;
    driver_calls.threads = block_x;
    driver_calls.stream = stream;
    driver_calls.argument = *static_cast<float*>(arguments[0]);
    return driver_calls.Answer("cuLaunchKernel");
  };
  return driver;
}

std::unique_ptr<DeviceKernels> LoadFrom(const CudaDriver& driver) {
  return DeviceKernels::Load(driver, "image", {"first", "second"}, /*device=*/3,
                             [](int device) { return HandleOf<CUstream_st>(static_cast<uintptr_t>(device) + 40); });
}

TEST(DeviceKernels, LaunchOnTheDevicesCurrentStreamInItsContext) {
  driver_calls = {};
  const CudaDriver driver = RecordingDriver();
  const auto kernels = LoadFrom(driver);
  ASSERT_NE(kernels, nullptr);
  EXPECT_EQ(driver_calls.device, 103);
  EXPECT_EQ(driver_calls.functions, (std::vector<std::string>{"first", "second"}));
  EXPECT_EQ(driver_calls.order.back(), "cuCtxPopCurrent");

  driver_calls.order.clear();
  float argument = 2.5F;
  void* arguments[] = {&argument};
  EXPECT_TRUE(kernels->Run({"second", 77, arguments}));
  EXPECT_EQ(driver_calls.order, (std::vector<std::string>{"cuCtxPushCurrent", "cuLaunchKernel", "cuCtxPopCurrent"}));
  EXPECT_EQ(driver_calls.blocks, 77U);
  EXPECT_EQ(driver_calls.threads, 256U);
  EXPECT_EQ(driver_calls.argument, 2.5F);
  EXPECT_EQ(driver_calls.stream, HandleOf<CUstream_st>(43));
}

TEST(DeviceKernels, StartNothingThatTheDriverRefuses) {
  driver_calls = {};
  const CudaDriver driver = RecordingDriver();
  const auto kernels = LoadFrom(driver);
  ASSERT_NE(kernels, nullptr);
  float argument = 0;
  void* arguments[] = {&argument};
  EXPECT_FALSE(kernels->Run({"third", 1, arguments}));
  EXPECT_FALSE(kernels->Run({"second", 0, arguments}));
  EXPECT_FALSE(kernels->Run({"second", int64_t{1} << 31, arguments}));
  for (const char* const failing : {"cuCtxPushCurrent", "cuLaunchKernel"}) {
    driver_calls = {};
    driver_calls.failing = failing;
    EXPECT_FALSE(kernels->Run({"second", 1, arguments}));
    const bool is_popped = driver_calls.order.back() == "cuCtxPopCurrent";
    EXPECT_EQ(is_popped, std::string(failing) == "cuLaunchKernel");
  }
}

TEST(DeviceKernels, AreNotThereWhereTheImageIsOfNoUse) {
  const CudaDriver driver = RecordingDriver();
  for (const char* const failing :
       {"cuDeviceGet", "cuDevicePrimaryCtxRetain", "cuCtxPushCurrent", "cuModuleLoadData", "cuModuleGetFunction"}) {
    driver_calls = {};
    driver_calls.failing = failing;
    EXPECT_EQ(LoadFrom(driver), nullptr) << failing;
  }
}

// cuda.h, below, makes macros of the names of some.
using InitFunction = decltype(CudaDriver::cuInit);
using DeviceGetFunction = decltype(CudaDriver::cuDeviceGet);
using DevicePrimaryCtxRetainFunction = decltype(CudaDriver::cuDevicePrimaryCtxRetain);
using CtxPushCurrentFunction = decltype(CudaDriver::cuCtxPushCurrent);
using CtxPopCurrentFunction = decltype(CudaDriver::cuCtxPopCurrent);
using ModuleLoadDataFunction = decltype(CudaDriver::cuModuleLoadData);
using ModuleGetFunctionFunction = decltype(CudaDriver::cuModuleGetFunction);
using LaunchKernelFunction = decltype(CudaDriver::cuLaunchKernel);

}  // namespace

}  // namespace nacue

#if __has_include(<cuda.h>)
#include <cuda.h>

namespace nacue {

namespace {

// But for the type of the result, an enum there.
template <typename Theirs, typename Ours>
constexpr bool kTakesTheSame = false;
template <typename TheirResult, typename OurResult, typename... Arguments>
constexpr bool kTakesTheSame<TheirResult (*)(Arguments...), OurResult (*)(Arguments...)> =
    sizeof(TheirResult) == sizeof(OurResult);

static_assert(kTakesTheSame<decltype(&::cuInit), InitFunction>);
static_assert(kTakesTheSame<decltype(&::cuDeviceGet), DeviceGetFunction>);
static_assert(kTakesTheSame<decltype(&::cuDevicePrimaryCtxRetain), DevicePrimaryCtxRetainFunction>);
static_assert(kTakesTheSame<decltype(&::cuCtxPushCurrent), CtxPushCurrentFunction>);
static_assert(kTakesTheSame<decltype(&::cuCtxPopCurrent), CtxPopCurrentFunction>);
static_assert(kTakesTheSame<decltype(&::cuModuleLoadData), ModuleLoadDataFunction>);
static_assert(kTakesTheSame<decltype(&::cuModuleGetFunction), ModuleGetFunctionFunction>);
static_assert(kTakesTheSame<decltype(&::cuLaunchKernel), LaunchKernelFunction>);

}  // namespace

}  // namespace nacue
#endif
