// Stages 4 to 6 one by one, against values recorded from pytorch-ood (stage_golden.inc) and against arithmetic that is
// exact.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/explain.h"
#include "core/pipeline.h"

namespace nacue {

namespace {

#include "stage_golden.inc"

template <typename T>
std::vector<T> Values(const at::Tensor& tensor) {
  const at::Tensor contiguous = tensor.contiguous();
  return {contiguous.const_data_ptr<T>(), contiguous.const_data_ptr<T>() + contiguous.numel()};
}

LayerOptions Layer(int64_t m_bins) {
  LayerOptions layer;
  layer.name = "layer";
  layer.m_bins = m_bins;
  layer.alpha = 100.0;
  layer.o_star = 1;
  return layer;
}

std::vector<int64_t> Bins(const std::vector<float>& contributions, int64_t m_bins, Binning binning) {
  const at::Tensor q = at::tensor(contributions).unsqueeze(0);
  return Values<int64_t>(
      BinIndices(q, Layer(m_bins), Preset::kPytorchOod, binning, BinEdges(binning, m_bins, at::kCPU)));
}

at::Tensor Contribute(const at::Tensor& z, const at::Tensor& gradient, Preset preset = Preset::kPytorchOod) {
  return Contributions(z, gradient, preset, Reducer(Layer(50), "layer", preset));
}

at::Tensor Reduced(const at::Tensor& value, Reduce reduce, Preset preset = Preset::kPytorchOod,
                   const std::string& name = "layer") {
  LayerOptions layer = Layer(50);
  layer.name = name;
  layer.reduce = reduce;
  return Reducer(layer, name, preset)(value);
}

TEST(Contributions, LeavesTwoDimensionsAlone) {
  const at::Tensor z = at::tensor({1.0F, 2.0F, 3.0F, 4.0F}).view({2, 2});
  EXPECT_EQ(Values<float>(Contribute(z, z)), (std::vector<float>{1, 4, 9, 16}));
}

TEST(Contributions, AveragesTheProductOverHeightAndWidth) {
  const at::Tensor z = at::arange(8, at::kFloat).view({1, 2, 2, 2});
  const at::Tensor gradient = at::full_like(z, 4.0);
  const at::Tensor q = Contribute(z, gradient);
  EXPECT_EQ(q.sizes(), (at::IntArrayRef{1, 2}));
  EXPECT_EQ(Values<float>(q), (std::vector<float>{6, 22}));
}

TEST(Contributions, PoolsAfterTheProductNotBefore) {
  const at::Tensor z = at::tensor({1.0F, -1.0F}).view({1, 1, 1, 2});
  EXPECT_EQ(Values<float>(Contribute(z, z)), (std::vector<float>{1}));
}

TEST(Contributions, FlattensEverythingElse) {
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{2, 3, 4}, {2, 3, 2, 2, 1}}) {
    EXPECT_EQ(Contribute(at::ones(shape), at::ones(shape)).sizes(), (at::IntArrayRef{2, 12}));
  }
}

TEST(GeometricEdges, EqualsTheReferenceBitForBit) {
  const auto bits = [](int64_t m_bins) {
    std::vector<uint32_t> result;
    for (const float edge : Values<float>(BinEdges(Binning::kGeometric, m_bins, at::kCPU))) {
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
  for (const Binning binning : {Binning::kGeometric, Binning::kUniform, Binning::kLogit, Binning::kOpenOod}) {
    for (const int64_t m_bins : {2, 3, 4, 50, 51, 1000}) {
      if (binning == Binning::kOpenOod && (m_bins < 4 || m_bins % 2 != 0)) continue;
      const at::Tensor bins =
          BinIndices(q, Layer(m_bins), Preset::kPytorchOod, binning, BinEdges(binning, m_bins, at::kCPU));
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
  EXPECT_EQ(Values<float>(LayerCoverage(NeuronCoverage(Hits(counts, bins), 4))),
            (std::vector<float>{1.0F, 0.375F, 0.0F}));
}

TEST(ModelCoverage, IsTheCoveredShareOfAllBins) {
  at::Tensor counts = NewCounts(2, 4, at::kCPU);
  counts.copy_(at::tensor({8L, 2L, 0L, 0L, 4L, 1L, 1L, 0L}, at::kLong).view({2, 4}));
  EXPECT_DOUBLE_EQ(ModelCoverage(counts, 4), (1.5 / 4 + 1.5 / 4) / 2);
}

TEST(BinEdges, EqualsTheAuthorsForEvenM) {
  // numpy 2: logspace(1e3, 10) of ood_coverage
  const std::vector<double> expected = {
      0x0.0p+0,
      0x1.3feeb0a09bbb2p-2,
      0x1.9ddd12e5082e4p-2,
      0x1.d6e89cefead1ap-2,
      0x1.0000000000000p-1,
      0x1.148bb1880a973p-1,
      0x1.3111768d7be8ep-1,
      0x1.6008a7afb2227p-1,
      0x1.028f5c28f5c29p+0,
      0x1.3333333333333p+0,
  };
  const std::vector<double> edges = Values<double>(BinEdges(Binning::kOpenOod, 10, at::kCPU));
  ASSERT_EQ(edges.size(), expected.size());
  for (size_t i = 0; i < edges.size(); ++i) EXPECT_DOUBLE_EQ(edges[i], expected[i]) << i;
  EXPECT_EQ(edges[4], 0.5);  // to the bit: the state of every zero contribution
}

TEST(BinIndices, PutsOneHalfAboveTheMiddleOfTheAuthorsBins) {
  EXPECT_EQ(Bins({-1e9F, 0.0F, 1e9F}, 10, Binning::kOpenOod), (std::vector<int64_t>{0, 4, 7}));
}

TEST(Contributions, PoolsBeforeTheProductWithPresetOpenOod) {
  const at::Tensor z = at::tensor({1.0F, 2.0F}).view({1, 1, 1, 2});
  const at::Tensor gradient = at::tensor({3.0F, 5.0F}).view({1, 1, 1, 2});
  EXPECT_EQ(Values<float>(Contribute(z, gradient)), (std::vector<float>{6.5F}));
  EXPECT_EQ(Values<float>(Contribute(z, gradient, Preset::kOpenOod)), (std::vector<float>{24.0F}));
}

TEST(Reducer, TakesDimensionOneForTheNeurons) {
  const at::Tensor value = at::tensor({1.0F, -3.0F, 2.0F, 6.0F}).view({1, 2, 1, 2});
  EXPECT_EQ(Values<float>(Reduced(value, Reduce::kMean)), (std::vector<float>{-1, 4}));
  EXPECT_EQ(Values<float>(Reduced(value, Reduce::kSum)), (std::vector<float>{-2, 8}));
  EXPECT_EQ(Values<float>(Reduced(value, Reduce::kMaxAbs)), (std::vector<float>{3, 6}));
  EXPECT_EQ(Values<float>(Reduced(value, Reduce::kFlatten)), (std::vector<float>{1, -3, 2, 6}));
  EXPECT_EQ(Reduced(at::ones({2, 3, 4, 5, 6}), Reduce::kMean).sizes(), (at::IntArrayRef{2, 3}));
  EXPECT_EQ(Reduced(at::ones({2, 3, 4}), Reduce::kSum).sizes(), (at::IntArrayRef{2, 3}));
}

TEST(Reducer, LeavesTwoDimensionsAlone) {
  const at::Tensor value = at::tensor({1.0F, -3.0F}).view({1, 2});
  for (const Reduce reduce :
       {Reduce::kAuto, Reduce::kMean, Reduce::kSum, Reduce::kMaxAbs, Reduce::kFlatten, Reduce::kChannelsLast})
    EXPECT_EQ(Values<float>(Reduced(value, reduce)), (std::vector<float>{1, -3}));
}

TEST(Reducer, KnowsTokensAndChannelsLast) {
  const at::Tensor tokens = at::tensor({1.0F, 2.0F, 3.0F, 6.0F}).view({1, 2, 2});
  EXPECT_EQ(Values<float>(Reduced(tokens, Reduce::kFirstToken)), (std::vector<float>{1, 2}));
  EXPECT_EQ(Values<float>(Reduced(tokens, Reduce::kMeanTokens)), (std::vector<float>{2, 4}));
  EXPECT_EQ(Values<float>(Reduced(tokens, Reduce::kChannelsLast)), (std::vector<float>{2, 4}));
  EXPECT_EQ(Values<float>(Reduced(tokens, Reduce::kChannelsLast, Preset::kOpenOod)), (std::vector<float>{4, 8}));
  EXPECT_EQ(Reduced(at::ones({2, 3, 4, 5}), Reduce::kChannelsLast).sizes(), (at::IntArrayRef{2, 5}));
  EXPECT_THROW(Reduced(at::ones({2, 3, 4, 5}), Reduce::kFirstToken), Error);
  EXPECT_THROW(Reduced(at::ones({2, 3}), Reduce::kMeanTokens), Error);
}

TEST(Reducer, SumsTokensWithPresetOpenOodButTakesTheClassTokenOfTheFinalNorm) {
  const at::Tensor tokens = at::tensor({1.0F, 2.0F, 3.0F, 6.0F}).view({1, 2, 2});
  const auto reduced = [&](const char* name) {
    return Values<float>(Reduced(tokens, Reduce::kAuto, Preset::kOpenOod, name));
  };
  EXPECT_EQ(reduced("encoder.layers.encoder_layer_11.ln_2"), (std::vector<float>{4, 8}));
  EXPECT_EQ(reduced("encoder.ln"), (std::vector<float>{1, 2}));
}

TEST(Scores, SumOrAverageTheWeightedLayers) {
  const at::Tensor coverage = at::tensor({0.5F, 1.0F, 0.25F, 0.0F}).view({2, 2});
  EXPECT_EQ(Values<float>(Scores(coverage, {1, 1}, Aggregation::kSum)), (std::vector<float>{-0.75F, -1.0F}));
  EXPECT_EQ(Values<float>(Scores(coverage, {1, 1}, Aggregation::kMean)), (std::vector<float>{-0.375F, -0.5F}));
  EXPECT_EQ(Values<float>(Scores(coverage, {2, 0}, Aggregation::kSum)), (std::vector<float>{-1.0F, -2.0F}));
  EXPECT_EQ(Values<float>(Scores(coverage, {3, 1}, Aggregation::kMean)), (std::vector<float>{-0.4375F, -0.75F}));
}

TEST(Explain, NamesTheLeastCoveredNeuronsAndWhatTheyCost) {
  const at::Tensor phi = at::tensor({1.0F, 0.5F, 0.0F, 0.5F, 1.0F, 1.0F, 1.0F, 0.25F}).view({2, 4});
  const at::Tensor bins = at::arange(8, at::kLong).view({2, 4});
  const LayerExplanation explained = Explain(phi, bins, 3, /*factor=*/2.0);
  EXPECT_EQ(explained.neurons_per_sample, 3);
  EXPECT_EQ(explained.neurons, (std::vector<int32_t>{2, 1, 3, 3, 0, 1}));
  EXPECT_EQ(explained.bins, (std::vector<int32_t>{2, 1, 3, 7, 4, 5}));
  EXPECT_EQ(explained.coverage, (std::vector<float>{0, 0.5F, 0.5F, 0.25F, 1, 1}));
  EXPECT_EQ(explained.cost, (std::vector<float>{0.5F, 0.25F, 0.25F, 0.375F, 0, 0}));
  EXPECT_EQ(Explain(phi, bins, 9, 1.0).neurons_per_sample, 4);
}

}  // namespace

}  // namespace nacue
