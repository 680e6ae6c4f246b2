// What decides whether a model may run in bfloat16.
#include "core/precision_trial.h"

#include <gtest/gtest.h>

#include <limits>

namespace nacue {

namespace {

at::Tensor Contributions() {
  return at::tensor({3.0F, -4.0F, 0.0F, 12.0F}).view({2, 2});  // norm 13
}

TEST(PrecisionTrial, HasTheSameBatchEachTime) {
  const at::Tensor batch = TrialBatch({3, 8, 8}, at::kCPU);
  EXPECT_EQ(batch.sizes(), (at::IntArrayRef{4, 3, 8, 8}));
  EXPECT_TRUE(at::equal(batch, TrialBatch({3, 8, 8}, at::kCPU)));
  EXPECT_LT(batch[0].std().item<double>(), batch[3].std().item<double>() / 2);
}

TEST(PrecisionTrial, DoesNotDrawFromTheGeneratorOfModels) {
  at::manual_seed(7);
  const at::Tensor expected = at::rand({4});
  at::manual_seed(7);
  TrialBatch({3, 8, 8}, at::kCPU);
  EXPECT_TRUE(at::equal(at::rand({4}), expected));
}

TEST(PrecisionTrial, AcceptsADifferenceOfAQuarter) {
  const at::Tensor precise = Contributions();
  EXPECT_TRUE(AgreesWell({precise}, {precise}));
  EXPECT_TRUE(AgreesWell({precise * 1.25}, {precise}));
  EXPECT_FALSE(AgreesWell({precise * 1.26}, {precise}));
}

TEST(PrecisionTrial, LooksAtEveryLayer) {
  const at::Tensor precise = Contributions();
  EXPECT_FALSE(AgreesWell({precise, precise * 2}, {precise, precise}));
}

TEST(PrecisionTrial, RefusesWhatIsNotFinite) {
  const at::Tensor precise = Contributions();
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    at::Tensor contributions = precise.clone();
    contributions[0][0] = value;
    EXPECT_FALSE(AgreesWell({contributions}, {precise}));
    EXPECT_FALSE(AgreesWell({precise}, {contributions}));
  }
}

TEST(PrecisionTrial, AcceptsLayersWithoutAnyContribution) {
  EXPECT_TRUE(AgreesWell({at::zeros({2, 2})}, {at::zeros({2, 2})}));
}

}  // namespace

}  // namespace nacue
