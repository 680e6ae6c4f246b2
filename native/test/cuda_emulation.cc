// See cuda_emulation.h.
#include "cuda_emulation.h"

#include <ucontext.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "cuda/launch_sizes.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

namespace nacue {

namespace {

constexpr size_t kStackBytes = 128 * 1024;

struct Fiber {
  ucontext_t context;
  std::unique_ptr<char[]> stack = std::make_unique<char[]>(kStackBytes);
  bool is_done = false;
};

struct Barrier {
  int arrived = 0;
  int64_t passed = 0;
};

// The block that runs now.
struct RunningBlock {
  std::array<Fiber, kThreadsPerBlock> fibers;
  std::array<Barrier, kThreadsPerBlock / kWarpLanes> warp_barriers;
  std::array<float, kThreadsPerBlock> exchanged;
  Barrier block_barrier;
  ucontext_t scheduler;
  const std::function<void()>* body = nullptr;
  int thread = 0;
  int64_t block = 0;
  int64_t blocks = 0;
  bool has_progress = false;
};

RunningBlock& Running() {
  static RunningBlock running;
  return running;
}

#ifdef __SANITIZE_ADDRESS__
// Where the scheduler's stack lies; fibers learn it when they are entered.
const void* scheduler_stack = nullptr;
size_t scheduler_stack_bytes = 0;

void AnnounceSwitch(void** kept, const void* stack, size_t bytes) {
  __sanitizer_start_switch_fiber(kept, stack, bytes);
}
void FinishSwitch(void* kept, bool learn) {
  const void* stack = nullptr;
  size_t bytes = 0;
  __sanitizer_finish_switch_fiber(kept, &stack, &bytes);
  if (!learn) return;
  scheduler_stack = stack;
  scheduler_stack_bytes = bytes;
}
#else
const void* const scheduler_stack = nullptr;
constexpr size_t scheduler_stack_bytes = 0;
void AnnounceSwitch(void** /*kept*/, const void* /*stack*/, size_t /*bytes*/) {}
void FinishSwitch(void* /*kept*/, bool /*learn*/) {}
#endif

// To the scheduler, and back when it is this thread's turn again.
void Yield() {
  RunningBlock& running = Running();
  void* kept = nullptr;
  AnnounceSwitch(&kept, scheduler_stack, scheduler_stack_bytes);
  swapcontext(&running.fibers[static_cast<size_t>(running.thread)].context, &running.scheduler);
  FinishSwitch(kept, /*learn=*/false);
}

void RunThread() {
  FinishSwitch(nullptr, /*learn=*/true);
  RunningBlock& running = Running();
  (*running.body)();
  running.fibers[static_cast<size_t>(running.thread)].is_done = true;
  running.has_progress = true;
  AnnounceSwitch(nullptr, scheduler_stack, scheduler_stack_bytes);
}

void Wait(Barrier& barrier, int threads) {
  RunningBlock& running = Running();
  running.has_progress = true;
  const int64_t mine = barrier.passed;
  if (++barrier.arrived == threads) {
    barrier.arrived = 0;
    ++barrier.passed;
    return;
  }
  while (barrier.passed == mine) Yield();
  running.has_progress = true;
}

void Start(Fiber& fiber) {
  fiber.is_done = false;
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack.get();
  fiber.context.uc_stack.ss_size = kStackBytes;
  fiber.context.uc_link = &Running().scheduler;
  makecontext(&fiber.context, RunThread, 0);
}

void Resume(int thread) {
  RunningBlock& running = Running();
  running.thread = thread;
  Fiber& fiber = running.fibers[static_cast<size_t>(thread)];
  void* kept = nullptr;
  AnnounceSwitch(&kept, fiber.stack.get(), kStackBytes);
  swapcontext(&running.scheduler, &fiber.context);
  FinishSwitch(kept, /*learn=*/false);
}

void RunBlock(ThreadOrder order) {
  RunningBlock& running = Running();
  for (Fiber& fiber : running.fibers) Start(fiber);
  int running_threads = kThreadsPerBlock;
  while (running_threads > 0) {
    running.has_progress = false;
    for (int i = 0; i < kThreadsPerBlock; ++i) {
      const int thread = order == ThreadOrder::kAscending ? i : kThreadsPerBlock - 1 - i;
      Fiber& fiber = running.fibers[static_cast<size_t>(thread)];
      if (fiber.is_done) continue;
      Resume(thread);
      if (fiber.is_done) --running_threads;
    }
    if (running.has_progress) continue;
    std::fputs("a barrier that not all of its threads reach\n", stderr);
    std::abort();
  }
}

}  // namespace

int ThreadInBlock() {
  return Running().thread;
}

int64_t Block() {
  return Running().block;
}

int64_t Blocks() {
  return Running().blocks;
}

void SyncBlock() {
  Wait(Running().block_barrier, kThreadsPerBlock);
}

float FromLaneBelow(float value, int offset) {
  RunningBlock& running = Running();
  const int thread = running.thread;
  Barrier& warp = running.warp_barriers[static_cast<size_t>(thread / kWarpLanes)];
  running.exchanged[static_cast<size_t>(thread)] = value;
  Wait(warp, kWarpLanes);
  const bool is_inside = thread % kWarpLanes + offset < kWarpLanes;
  const float other = running.exchanged[static_cast<size_t>(is_inside ? thread + offset : thread)];
  Wait(warp, kWarpLanes);
  return other;
}

std::map<std::string, std::function<void(void**)>>& EmulatedKernels() {
  static std::map<std::string, std::function<void(void**)>> kernels;
  return kernels;
}

bool EmulatedDevice::Run(const KernelLaunch& launch) {
  const auto kernel = EmulatedKernels().find(launch.name);
  if (kernel == EmulatedKernels().end()) return false;
  launched_.push_back(launch.name);
  RunningBlock& running = Running();
  const std::function<void()> body = [&] { kernel->second(launch.arguments); };
  running.body = &body;
  running.blocks = launch.blocks;
  for (running.block = 0; running.block < launch.blocks; ++running.block) RunBlock(order_);
  return true;
}

}  // namespace nacue
