// nacue_cuda.so: passes recorded as CUDA graphs by LibTorch's own CUDAGraph. See pass_graph_functions.h for the rules.
//
// Its symbols of LibTorch and of the CUDA runtime are resolved when it is opened, from the libraries that are there
// then. The calling thread is a detector's; backward passes are recorded on LibTorch's autograd thread, hence the mode
// of capture: other threads may allocate and synchronise meanwhile.
#include <ATen/core/CachingHostAllocator.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/core/StreamGuard.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <cstdio>
#include <exception>
#include <map>
#include <memory>

#include "pass_graph_functions.h"

struct NacueGraph {
  at::cuda::CUDAGraph graph;
};

struct NacueGraphPool {
  c10::DeviceIndex device;
  c10::MempoolId_t memory{0, 0};
  size_t graphs = 0;
};

namespace {

void Describe(const std::exception& failure, NacueProblem* problem) {
  const auto* libtorch = dynamic_cast<const c10::Error*>(&failure);
  const char* const text = libtorch != nullptr ? libtorch->what_without_backtrace() : failure.what();
  std::snprintf(problem->text, sizeof(problem->text), "%s", text);
}

// One per device for good: LibTorch keeps workspaces for every stream that it has seen.
c10::cuda::CUDAStream RecordingStream(c10::DeviceIndex device) {
  static auto* const streams = new std::map<c10::DeviceIndex, c10::cuda::CUDAStream>;
  const auto known = streams->find(device);
  if (known != streams->end()) return known->second;
  cudaStream_t raw = nullptr;
  C10_CUDA_CHECK(cudaStreamCreateWithFlags(&raw, cudaStreamNonBlocking));
  return streams->emplace(device, c10::cuda::getStreamFromExternal(raw, device)).first->second;
}

// Whatever the failed recording had begun: what had ended already says so, and need not end again.
template <typename End>
void EndIfBegun(const End& end) {
  try {
    end();
  } catch (const std::exception&) {
  }
}

void LeavePool(const NacueGraphPool& pool) {
  using namespace c10::cuda;
  at::HostAllocator& host = *at::getHostAllocator(at::kCUDA);
  EndIfBegun([&] { CUDACachingAllocator::endAllocateToPool(pool.device, pool.memory); });
  EndIfBegun([&] { CUDACachingAllocator::releasePool(pool.device, pool.memory); });
  EndIfBegun([&] { host.end_allocate_to_pool(pool.memory); });
  EndIfBegun([&] { host.release_pool(pool.memory); });
  cudaGetLastError();  // the failure was told; it must not be told again to the next call
}

NacueGraph* RecordOn(NacueGraphPool& pool, bool (*pass)(void*), void* context, NacueProblem* problem) {
  if (pool.graphs == 0) pool.memory = at::cuda::graph_pool_handle();  // one that all graphs have left is left for good
  auto* const recorded = new NacueGraph;  // stays where recording fails: LibTorch may keep a pointer to it
  try {
    recorded->graph.capture_begin(pool.memory, cudaStreamCaptureModeThreadLocal);
    const bool has_passed = pass(context);
    recorded->graph.capture_end();
    if (has_passed) {
      ++pool.graphs;
      return recorded;
    }
    recorded->graph.reset();
  } catch (const std::exception& failure) {
    Describe(failure, problem);
    LeavePool(pool);
  }
  return nullptr;
}

NacueGraphPool* OpenPool(int device, NacueProblem* problem) {
  try {
    return new NacueGraphPool{static_cast<c10::DeviceIndex>(device)};
  } catch (const std::exception& failure) {
    Describe(failure, problem);
    return nullptr;
  }
}

void ClosePool(NacueGraphPool* pool) {
  delete pool;
}

NacueGraph* Record(NacueGraphPool* pool, bool (*pass)(void*), void* context, NacueProblem* problem) {
  problem->text[0] = '\0';
  try {
    const c10::cuda::CUDAGuard device(pool->device);
    const c10::cuda::CUDAStream waiting = c10::cuda::getCurrentCUDAStream();
    const c10::cuda::CUDAStream recording = RecordingStream(pool->device);
    waiting.synchronize();
    const c10::cuda::CUDAStreamGuard current(recording);
    // What a kernel sets up at its first use, it cannot while it is recorded.
    if (!pass(context)) return nullptr;
    recording.synchronize();
    // The memory of that run would serve no other stream.
    c10::cuda::CUDACachingAllocator::emptyCache();
    return RecordOn(*pool, pass, context, problem);
  } catch (const std::exception& failure) {
    Describe(failure, problem);
    return nullptr;
  }
}

bool Replay(NacueGraph* graph, NacueProblem* problem) {
  try {
    graph->graph.replay();
    return true;
  } catch (const std::exception& failure) {
    Describe(failure, problem);
    return false;
  }
}

void Drop(NacueGraphPool* pool, NacueGraph* graph) {
  --pool->graphs;
  delete graph;
}

// scripts/steps/binaries.mjs and scripts/sbom.mjs read this text from the file, as they do from nacue.node.
constexpr char kBuiltFor[] = "nacue built for LibTorch " NACUE_LIBTORCH_VERSION;

}  // namespace

extern "C" __attribute__((visibility("default"))) const NacuePassGraphFunctions* nacue_pass_graph_functions() {
  constexpr const char* kVersion = kBuiltFor + sizeof kBuiltFor - sizeof NACUE_LIBTORCH_VERSION;
  static const NacuePassGraphFunctions functions = {
      kPassGraphInterface, kVersion, OpenPool, ClosePool, Record, Replay, Drop,
  };
  return &functions;
}
