// MergeStates: neither order nor grouping matters, and nothing is added up that does not belong together.
#include <cstring>

#include "sample_state.h"

namespace nacue {

namespace {

constexpr int64_t kMaxSamples = (int64_t{1} << 53) - 1;

using Change = std::function<void(SampleState&)>;

StateBytes Merge(const std::vector<StateBytes>& files) {
  return MergeStates({files.begin(), files.end()});
}

StateBytes Part(int64_t first, int64_t samples, const Change& change = nullptr) {
  SampleState sample(first, samples);
  if (change) change(sample);
  sample.Point();
  return WriteState(sample.state);
}

std::vector<int64_t> Counts(const StateLayer& layer) {
  std::vector<int64_t> counts(layer.counts.size() / sizeof(int64_t));
  std::memcpy(counts.data(), layer.counts.data(), layer.counts.size());
  return counts;
}

void ExpectMismatch(const Change& change, const std::string& fragment) {
  const auto mismatch = [&](const Change& a, const Change& b) {
    ExpectRefusal([&] { Merge({SampleFile(), SampleFile(a), SampleFile(b)}); }, "ERR_NACUE_STATE_MISMATCH", fragment);
  };
  mismatch(nullptr, change);
  mismatch(change, nullptr);
}

TEST(MergeStates, AddsUpCountsAndSamples) {
  const auto file = Merge({Part(2, 5), Part(1, 10), Part(4, 4)});
  const FittedState merged = ReadState(file);
  EXPECT_EQ(merged.samples, 19);
  EXPECT_EQ(Counts(merged.layers[0]), (std::vector<int64_t>{7, 0, 0, 12, 7, 0, 0, 12}));
  EXPECT_EQ(Counts(merged.layers[1]), (std::vector<int64_t>{7, 0, 12}));
  EXPECT_EQ(merged.layers[0].name, "block#2");
}

TEST(MergeStates, DependsOnNeitherOrderNorGrouping) {
  const auto a = Part(2, 5, [](SampleState& s) { s.state.libtorch_version = "2.15.0"; });
  const auto b = Part(3, 4, [](SampleState& s) {
    s.state.input_shape = {3, 32, 32};
    s.state.nacue_version = "0.10.0";
  });
  const auto c = Part(0, 9, [](SampleState& s) {
    s.state.threshold = StateThreshold{-1, 0.95};
    s.state.nacue_version = "0.3.0";
    s.state.layers[1].weight = 1;
  });
  const auto all = Merge({a, b, c});
  EXPECT_EQ(Merge({c, b, a}), all);
  EXPECT_EQ(Merge({b, a, c}), all);
  EXPECT_EQ(Merge({Merge({a, b}), c}), all);
  EXPECT_EQ(Merge({Merge({c}), Merge({b, a})}), all);
  const FittedState merged = ReadState(all);
  EXPECT_EQ(merged.libtorch_version, "2.11.0+cpu, 2.15.0");
  EXPECT_EQ(merged.nacue_version, "0.10.0, 0.2.0, 0.3.0");
  EXPECT_EQ(merged.input_shape, (std::vector<int64_t>{3, 32, 32}));
}

TEST(MergeStates, TakesZerosOfBothSignsForEqual) {
  const auto minus = Part(2, 5, [](SampleState& s) { s.state.layers[1].weight = -0.0; });
  const auto plus = Part(3, 5, [](SampleState& s) { s.state.layers[1].weight = 0.0; });
  const auto minus_read = WithHeader(minus, Replaced(HeaderText(minus), "[1, 0]\",\"layers", "[1, -0]\",\"layers"));
  EXPECT_EQ(Merge({minus_read, plus}), Merge({plus, minus_read}));
}

TEST(MergeStates, DropsTheThresholdOfASingleStateToo) {
  const auto file = SampleFile([](SampleState& s) { s.state.threshold = StateThreshold{-1, 0.95}; });
  EXPECT_EQ(Merge({file}), SampleFile());
}

TEST(MergeStates, TakesBytesAtAnyAddress) {
  const auto file = Part(2, 5);
  StateBytes shifted(3, 0);
  shifted.insert(shifted.end(), file.begin(), file.end());
  const auto unaligned = std::span<const uint8_t>(shifted).subspan(3);
  EXPECT_EQ(MergeStates({unaligned, unaligned}), Merge({file, file}));
}

TEST(MergeStates, RefusesOtherOptions) {
  ExpectMismatch([](SampleState& s) { s.state.preset = "openood"; }, "does not fit those before it: preset is ");
  ExpectMismatch([](SampleState& s) { s.state.aggregation = "mean"; }, "aggregation is ");
  ExpectMismatch([](SampleState& s) { s.state.execution_order = {0, 1}; }, "ran the layers in another order");
  ExpectMismatch([](SampleState& s) { s.state.output = 1; }, "output differs");
  ExpectMismatch([](SampleState& s) { s.state.layers[0].name = "block#1"; }, "the name of a layer is ");
  ExpectMismatch([](SampleState& s) { s.state.layers[1].alpha = 0.5; }, "alpha of layer 'attention[0]' is ");
  ExpectMismatch([](SampleState& s) { s.state.layers[1].o_star = 8; }, "o_star of layer 'attention[0]' is ");
  ExpectMismatch([](SampleState& s) { s.state.layers[1].reduce = "sum"; }, "reduce of layer 'attention[0]' is ");
  ExpectMismatch([](SampleState& s) { s.state.layers[1].weight = 2; }, "the weight of layer 'attention[0]' is ");
  ExpectMismatch([](SampleState& s) { s.edges[1] = BytesOfNumbers<float>({0, 0.4F, 1}); }, "edges of layer");
}

TEST(MergeStates, RefusesOtherShapes) {
  const auto other_binning = [](SampleState& s) {
    s.state.binning = "uniform";
    s.edges[1] = BytesOfNumbers<float>({0, 0.4F, 0.7F, 1});
  };
  ExpectMismatch(other_binning, "binning is ");
  const auto more_bins = [](SampleState& s) {
    s.state.layers[1].m_bins = 2;
    s.counts[1] = BytesOfNumbers<int64_t>({1, 4});
  };
  ExpectMismatch(more_bins, "m_bins of layer 'attention[0]' is ");
  const auto more_neurons = [](SampleState& s) {
    s.state.layers[1].neurons = 2;
    s.counts[1] = BytesOfNumbers<int64_t>({1, 0, 4, 1, 0, 4});
  };
  ExpectMismatch(more_neurons, "the number of neurons of layer 'attention[0]' is ");
  const auto fewer_layers = [](SampleState& s) {
    s.state.layers.pop_back();
    s.state.execution_order = {0};
  };
  ExpectMismatch(fewer_layers, "the number of layers is ");
}

TEST(MergeStates, RefusesTwoInputShapes) {
  const auto shape = [](int64_t size) { return SampleFile([=](SampleState& s) { s.state.input_shape = {3, size}; }); };
  ExpectRefusal([&] { Merge({shape(2), SampleFile(), shape(4)}); }, "ERR_NACUE_STATE_MISMATCH",
                "state 3 of 3 does not fit those before it: input_shape differs");
}

TEST(MergeStates, RefusesAnotherAndAnUnknownModel) {
  const auto model = [](char digit) {
    return SampleFile([=](SampleState& s) { s.state.model_sha256 = std::string(64, digit); });
  };
  EXPECT_EQ(ReadState(Merge({model('a'), model('a')})).model_sha256, std::string(64, 'a'));
  ExpectRefusal([&] { Merge({model('a'), model('b')}); }, "ERR_NACUE_STATE_MISMATCH", "model_sha256 is 'bbb");
  for (const auto& files : {std::vector{SampleFile(), model('a')}, std::vector{model('a'), SampleFile()}}) {
    ExpectRefusal([&] { Merge(files); }, "ERR_NACUE_STATE_MISMATCH", "says which model was fitted");
  }
}

TEST(MergeStates, AddsUpFastStatesOfOnePrecisionOnly) {
  const auto fast = [](const char* precision) { return [=](SampleState& s) { BeFast(s, precision); }; };
  const auto file = Merge({Part(2, 5, fast("bfloat16")), Part(1, 4, fast("bfloat16"))});
  EXPECT_EQ(file, Part(3, 9, fast("bfloat16")));
  ExpectMismatch(fast("float32"), "mode is ");
  ExpectRefusal([&] { Merge({SampleFile(fast("tf32")), SampleFile(fast("float32"))}); }, "ERR_NACUE_STATE_MISMATCH",
                "state 2 of 2 does not fit those before it: precision is 'float32', not 'tf32'");
}

TEST(MergeStates, RefusesMoreSamplesThanJavaScriptCounts) {
  EXPECT_EQ(ReadState(Merge({Part(1, kMaxSamples - 1), Part(1, 1)})).samples, kMaxSamples);
  ExpectRefusal([] { Merge({Part(1, kMaxSamples), Part(1, 1)}); }, "ERR_NACUE_STATE_INVALID", "more than 2^53 - 1");
}

TEST(MergeStates, SaysWhichStateIsDamaged) {
  ExpectRefusal([] { Merge({SampleFile(), {1, 2, 3}}); }, "ERR_NACUE_STATE_FORMAT",
                "state 2 of 2: the state is damaged");
  ExpectRefusal([] { Merge({}); }, "ERR_NACUE_STATE_MISMATCH", "there is nothing to merge");
}

}  // namespace

}  // namespace nacue
