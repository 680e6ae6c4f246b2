// Between host and device, as far as it shows without a device: what is on the host is handed on.
#include "core/host_copies.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "core/device_stream.h"
#include "core/error.h"
#include "core/finite_rows.h"
#include "core/options.h"
#include "core/pinned_memory.h"

namespace nacue {

namespace {

TEST(Download, HandsOnWhatIsOnTheHostAndWhatIsUndefined) {
  const at::Tensor scores = at::randn({3});
  const at::Tensor mask = at::ones({3}, at::kBool);
  const std::vector<at::Tensor> host = Download({scores, at::Tensor(), mask});
  ASSERT_EQ(host.size(), 3U);
  EXPECT_TRUE(host[0].is_same(scores));
  EXPECT_FALSE(host[1].defined());
  EXPECT_TRUE(host[2].is_same(mask));
}

TEST(Upload, HandsOnWhatStaysOnTheHost) {
  const at::Tensor factors = at::ones({2});
  EXPECT_TRUE(Upload(factors, at::kCPU).is_same(factors));
}

TEST(DeviceStream, HasNothingToWaitForOnTheCpu) {
  DeviceStream stream(at::kCPU);
  EXPECT_NO_THROW(stream.KeepPace());
  EXPECT_NO_THROW(stream.Synchronize());
}

TEST(HostBuffer, TakesTheMemoryItIsGivenAndFreesItOnce) {
  int freed = 0;
  size_t asked = 0;
  float values[3] = {};
  {
    HostBuffer buffer(3, [&](size_t bytes) {
      asked = bytes;
      return HostMemory(values, [&](void*) { ++freed; });
    });
    buffer.data()[2] = 5.0F;
    HostBuffer moved = std::move(buffer);
    EXPECT_EQ(moved.data(), values);
  }
  EXPECT_EQ(values[2], 5.0F);
  EXPECT_EQ(asked, 12U);
  EXPECT_EQ(freed, 1);
}

TEST(HostBuffer, IsAlignedAsLibTorchsOwnMemory) {
  for (const size_t count : {0, 1, 16, 17, 1000})
    EXPECT_EQ(reinterpret_cast<uintptr_t>(HostBuffer(count).data()) % 64, 0U) << count;
}

TEST(KeepUntilCopied, LeavesMemoryAloneOnTheCpu) {
  const HostBuffer buffer(4);
  EXPECT_NO_THROW(KeepUntilCopied(buffer.data(), at::kCPU));
}

std::string ProblemOf(FitMasks& masks) {
  try {
    masks.Check();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "ERR_NACUE_NON_FINITE");
    return error.what();
  }
  return "";
}

TEST(FitMasks, NamesTheBatchAndItsRows) {
  FitMasks masks;
  masks.Add(at::ones({2}, at::kBool));
  masks.Add({});
  masks.Add(at::tensor({1, 0, 1}).to(at::kBool));
  EXPECT_EQ(
      ProblemOf(masks),
      "batch 2 of the fit, counted from 0: the logits or the contributions have NaN or infinity in 1 of 3 rows: 1");
  EXPECT_EQ(ProblemOf(masks), "");
}

TEST(FitMasks, LooksEveryNowAndThen) {
  FitMasks masks;
  masks.Add(at::zeros({1}, at::kBool));
  const auto add_many = [&] {
    for (int batch = 0; batch < 200; ++batch) masks.Add(at::ones({1}, at::kBool));
  };
  EXPECT_THROW(add_many(), Error);
}

}  // namespace

}  // namespace nacue
