// See tf32_gate.h. Any thread.
#include "tf32_gate.h"

#include <ATen/Context.h>

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>

#include "error.h"

namespace nacue {

namespace {

struct Tf32Flags {
  bool products;
  bool convolutions;  // and recurrent layers
};

Tf32Flags ExchangeTf32(Tf32Flags flags) {
  at::Context& context = at::globalContext();
  const Tf32Flags before{context.allowTF32CuBLAS(), context.allowTF32CuDNN()};
  context.setAllowTF32CuBLAS(flags.products);
  context.setAllowTF32CuDNN(flags.convolutions);
  return before;
}

class Tf32Gate {
 public:
  void Enter(bool allows) {
    std::unique_lock<std::mutex> lock(mutex_);
    const uint64_t ticket = next_ticket_++;
    changed_.wait(lock, [&] { return ticket == admitted_ && (turns_ == 0 || allows == allows_); });
    ++admitted_;
    changed_.notify_all();
    if (turns_++ > 0) return;
    allows_ = allows;
    before_ = ExchangeTf32({allows, allows});
  }

  int64_t waiting() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return static_cast<int64_t>(next_ticket_ - admitted_);
  }

  void Leave() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (--turns_ > 0) return;
    ExchangeTf32(before_);
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t next_ticket_ = 0;
  uint64_t admitted_ = 0;  // tickets that have had their turn, or have it
  int64_t turns_ = 0;      // now
  bool allows_ = false;
  Tf32Flags before_{};
};

// Never destroyed: a detector's thread may outlive the statics of this library.
Tf32Gate& Gate() {
  static auto* const gate = new Tf32Gate();
  return *gate;
}

thread_local std::optional<bool> turn_of_thread;

bool EnterTf32(bool allows, c10::Device device) {
  if (!device.is_cuda()) return false;
  if (turn_of_thread) {
    if (*turn_of_thread == allows) return false;
    throw Error("ERR_NACUE_INTERNAL", "a pass with and one without TF32 inside of each other");
  }
  Gate().Enter(allows);
  turn_of_thread = allows;
  return true;
}

}  // namespace

Tf32Turn::Tf32Turn(Precision precision, c10::Device device)
    : is_outermost_(EnterTf32(precision != Precision::kFloat32, device)) {}

Tf32Turn::~Tf32Turn() {
  if (!is_outermost_) return;
  turn_of_thread.reset();
  Gate().Leave();
}

int64_t Tf32Turn::Waiting() {
  return Gate().waiting();
}

}  // namespace nacue
