// Stages 4 to 6 one by one, against values recorded from pytorch-ood (stage_golden.inc) and against arithmetic that is
// exact.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/pipeline.h"

namespace nacue {

namespace {

#include "stage_golden.inc"

template <typename T>
std::vector<T> Values(const at::Tensor& tensor) {
  const at::Tensor contiguous = tensor.contiguous();
  return {contiguous.const_data_ptr<T>(), contiguous.const_data_ptr<T>() + contiguous.numel()};
}

std::vector<int64_t> Bins(const std::vector<float>& contributions, int64_t m_bins, Binning binning) {
  const at::Tensor q = at::tensor(contributions).unsqueeze(0);
  const at::Tensor edges = binning == Binning::kGeometric ? GeometricEdges(m_bins, at::kCPU) : at::Tensor();
  return Values<int64_t>(BinIndices(q, {"layer", m_bins, 100.0, 1}, binning, edges));
}

TEST(Contributions, LeavesTwoDimensionsAlone) {
  const at::Tensor z = at::tensor({1.0F, 2.0F, 3.0F, 4.0F}).view({2, 2});
  EXPECT_EQ(Values<float>(Contributions(z, z)), (std::vector<float>{1, 4, 9, 16}));
}

TEST(Contributions, AveragesTheProductOverHeightAndWidth) {
  const at::Tensor z = at::arange(8, at::kFloat).view({1, 2, 2, 2});
  const at::Tensor gradient = at::full_like(z, 4.0);
  const at::Tensor q = Contributions(z, gradient);
  EXPECT_EQ(q.sizes(), (at::IntArrayRef{1, 2}));
  EXPECT_EQ(Values<float>(q), (std::vector<float>{6, 22}));
}

TEST(Contributions, PoolsAfterTheProductNotBefore) {
  const at::Tensor z = at::tensor({1.0F, -1.0F}).view({1, 1, 1, 2});
  EXPECT_EQ(Values<float>(Contributions(z, z)), (std::vector<float>{1}));
}

TEST(Contributions, FlattensEverythingElse) {
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{2, 3, 4}, {2, 3, 2, 2, 1}}) {
    EXPECT_EQ(Contributions(at::ones(shape), at::ones(shape)).sizes(), (at::IntArrayRef{2, 12}));
  }
}

TEST(GeometricEdges, EqualsTheReferenceBitForBit) {
  const auto bits = [](int64_t m_bins) {
    std::vector<uint32_t> result;
    for (const float edge : Values<float>(GeometricEdges(m_bins, at::kCPU))) {
      uint32_t value;
      std::memcpy(&value, &edge, sizeof(value));
      result.push_back(value);
    }
    return result;
  };
  EXPECT_EQ(bits(2), kEdges2);
  EXPECT_EQ(bits(7), kEdges7);
  EXPECT_EQ(bits(50), kEdges50);
}

TEST(BinIndices, EqualsTheReference) {
  EXPECT_EQ(Bins(kContributions, 2, Binning::kGeometric), kGeometric2);
  EXPECT_EQ(Bins(kContributions, 7, Binning::kGeometric), kGeometric7);
  EXPECT_EQ(Bins(kContributions, 50, Binning::kGeometric), kGeometric50);
  EXPECT_EQ(Bins(kContributions, 2, Binning::kUniform), kUniform2);
  EXPECT_EQ(Bins(kContributions, 7, Binning::kUniform), kUniform7);
  EXPECT_EQ(Bins(kContributions, 50, Binning::kUniform), kUniform50);
  EXPECT_EQ(Bins(kContributions, 2, Binning::kLogit), kLogit2);
  EXPECT_EQ(Bins(kContributions, 7, Binning::kLogit), kLogit7);
  EXPECT_EQ(Bins(kContributions, 50, Binning::kLogit), kLogit50);
}

TEST(BinIndices, PutsNaNIntoTheLastGeometricBinAndInfinityIntoTheEnds) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> odd = {std::nanf(""), infinity, -infinity};
  EXPECT_EQ(Bins(odd, 50, Binning::kGeometric), (std::vector<int64_t>{49, 49, 0}));
}

TEST(BinIndices, StaysInRangeForEveryBinning) {
  const at::Tensor q = at::linspace(-3, 3, 1001).unsqueeze(0);
  for (const Binning binning : {Binning::kGeometric, Binning::kUniform, Binning::kLogit}) {
    for (const int64_t m_bins : {2, 3, 50, 51, 1000}) {
      const at::Tensor bins = BinIndices(q, {"layer", m_bins, 100.0, 1}, binning, GeometricEdges(m_bins, at::kCPU));
      EXPECT_EQ(bins.scalar_type(), at::kLong);
      EXPECT_GE(bins.min().item<int64_t>(), 0);
      EXPECT_LT(bins.max().item<int64_t>(), m_bins);
      EXPECT_TRUE((bins.diff() >= 0).all().item<bool>());
    }
  }
}

TEST(AddCounts, CountsEachSampleOncePerNeuron) {
  const at::Tensor bins = at::tensor({0L, 2L, 2L, 1L, 0L, 2L}, at::kLong).view({3, 2});
  at::Tensor counts = NewCounts(2, 3, at::kCPU);
  AddCounts(counts, bins);
  AddCounts(counts, bins);
  EXPECT_EQ(Values<int64_t>(counts), (std::vector<int64_t>{4, 0, 2, 0, 2, 4}));
}

TEST(LayerCoverage, IsTheMeanOfTheCappedCounts) {
  at::Tensor counts = NewCounts(2, 3, at::kCPU);
  counts.copy_(at::tensor({8L, 2L, 0L, 0L, 4L, 1L}, at::kLong).view({2, 3}));
  const at::Tensor bins = at::tensor({0L, 1L, 1L, 2L, 2L, 0L}, at::kLong).view({3, 2});
  EXPECT_EQ(Values<float>(LayerCoverage(counts, bins, 4)), (std::vector<float>{1.0F, 0.375F, 0.0F}));
}

}  // namespace

}  // namespace nacue
