// Turns of passes that want TF32 and of passes that do not. The flags are LibTorch's own; no GPU is needed to set them.
#include "core/tf32_gate.h"

#include <ATen/Context.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "core/error.h"

namespace nacue {

namespace {

const c10::Device kGpu(c10::kCUDA, 0);

bool IsTf32Allowed() {
  const at::Context& context = at::globalContext();
  EXPECT_EQ(context.allowTF32CuBLAS(), context.allowTF32CuDNN());
  return context.allowTF32CuDNN();
}

// What the process had set, of each kind another.
class UserSetting {
 public:
  UserSetting() {
    at::globalContext().setAllowTF32CuBLAS(false);
    at::globalContext().setAllowTF32CuDNN(true);
  }
  static bool IsThere() { return !at::globalContext().allowTF32CuBLAS() && at::globalContext().allowTF32CuDNN(); }
};

// A turn that another thread has until it is told to end.
class TurnElsewhere {
 public:
  explicit TurnElsewhere(Precision precision)
      : thread_([this, precision] {
          const Tf32Turn turn(precision, kGpu);
          has_turn_.set_value();
          end_.get_future().wait();
        }),
        turn_began_(has_turn_.get_future()) {}
  ~TurnElsewhere() { End(); }
  bool HasTurn() const { return turn_began_.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }
  void AwaitTurn() const { turn_began_.wait(); }
  void End() {
    if (!thread_.joinable()) return;
    end_.set_value();
    thread_.join();
  }

 private:
  std::promise<void> has_turn_;
  std::promise<void> end_;
  std::thread thread_;
  std::future<void> turn_began_;
};

void AwaitWaiting(int64_t count) {
  while (Tf32Turn::Waiting() < count) std::this_thread::yield();
}

TEST(Tf32Turn, SetsBothFlagsAndPutsBackWhatWas) {
  const UserSetting setting;
  {
    const Tf32Turn turn(Precision::kFloat32, kGpu);
    EXPECT_FALSE(IsTf32Allowed());
  }
  EXPECT_TRUE(UserSetting::IsThere());
  for (const Precision precision : {Precision::kTf32, Precision::kBfloat16}) {
    const Tf32Turn turn(precision, kGpu);
    EXPECT_TRUE(IsTf32Allowed());
  }
  EXPECT_TRUE(UserSetting::IsThere());
}

TEST(Tf32Turn, DoesNothingOnTheCpu) {
  const UserSetting setting;
  const TurnElsewhere other(Precision::kFloat32);
  other.AwaitTurn();
  const Tf32Turn turn(Precision::kTf32, c10::Device(c10::kCPU));
  EXPECT_FALSE(IsTf32Allowed());
}

TEST(Tf32Turn, EndsWithAnException) {
  const UserSetting setting;
  EXPECT_THROW(
      {
        const Tf32Turn turn(Precision::kFloat32, kGpu);
        throw std::runtime_error("a pass that failed");
      },
      std::runtime_error);
  EXPECT_TRUE(UserSetting::IsThere());
}

TEST(Tf32Turn, OverlapsWithItsLike) {
  const UserSetting setting;
  TurnElsewhere first(Precision::kFloat32);
  first.AwaitTurn();
  TurnElsewhere second(Precision::kFloat32);
  second.AwaitTurn();
  first.End();
  EXPECT_FALSE(IsTf32Allowed());
  second.End();
  EXPECT_TRUE(UserSetting::IsThere());
}

TEST(Tf32Turn, WaitsForOthersInTheOrderOfTheirComing) {
  const UserSetting setting;
  TurnElsewhere first(Precision::kFloat32);
  first.AwaitTurn();
  TurnElsewhere second(Precision::kTf32);
  AwaitWaiting(1);
  TurnElsewhere third(Precision::kFloat32);  // could overlap with the first, but came after the second
  AwaitWaiting(2);
  EXPECT_FALSE(second.HasTurn());
  EXPECT_FALSE(third.HasTurn());
  first.End();
  second.AwaitTurn();
  EXPECT_TRUE(IsTf32Allowed());
  EXPECT_FALSE(third.HasTurn());
  second.End();
  third.AwaitTurn();
  EXPECT_FALSE(IsTf32Allowed());
}

TEST(Tf32Turn, IsPartOfTheOneAroundIt) {
  const UserSetting setting;
  std::optional<Tf32Turn> turn(std::in_place, Precision::kFloat32, kGpu);
  const TurnElsewhere waiting(Precision::kTf32);
  AwaitWaiting(1);
  {
    const Tf32Turn inner(Precision::kFloat32, kGpu);
    EXPECT_FALSE(IsTf32Allowed());
  }
  EXPECT_FALSE(IsTf32Allowed());
  EXPECT_THROW(Tf32Turn(Precision::kTf32, kGpu), Error);
  EXPECT_FALSE(waiting.HasTurn());
  turn.reset();
  waiting.AwaitTurn();
}

TEST(Tf32Turn, LetsManyThreadsSeeOnlyTheirOwnSetting) {
  const UserSetting setting;
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (const Precision precision : {Precision::kFloat32, Precision::kTf32, Precision::kFloat32, Precision::kTf32}) {
    threads.emplace_back([&wrong, precision] {
      for (int pass = 0; pass < 500; ++pass) {
        const Tf32Turn turn(precision, kGpu);
        wrong += static_cast<int>(at::globalContext().allowTF32CuDNN() != (precision == Precision::kTf32));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_TRUE(UserSetting::IsThere());
}

}  // namespace

}  // namespace nacue
