// The state file: what is written is read back, and each rule of docs/state-format.md is broken by a state of its own.
#include "state/fitted_state.h"

#include <cmath>
#include <limits>

#include "allocation_peak.h"
#include "sample_state.h"
#include "state/safetensors.h"

namespace nacue {

namespace {

constexpr const char* kInvalid = "ERR_NACUE_STATE_INVALID";
constexpr int64_t kMaxSamples = (int64_t{1} << 53) - 1;

// What neither reader nor writer takes. The writer has the same rules, so that a header is only needed for what no
// FittedState can say.
void ExpectInvalid(const std::function<void(SampleState&)>& change, const std::string& fragment) {
  ExpectRefusal([&] { SampleFile(change); }, kInvalid, fragment);
}

// The sample's file with `before`, as it stands in the header, replaced.
void ExpectRefusedHeader(const std::string& before, const std::string& after, const std::string& fragment,
                         const std::string& code = kInvalid) {
  const auto file = SampleFile();
  const auto changed = WithHeader(file, Replaced(HeaderText(file), before, after));
  ExpectRefusal([&] { ReadState(changed); }, code, fragment);
}

TEST(ReadState, ReadsWhatWriteStateWrote) {
  SampleState sample;
  sample.state.layers[0].name = "\xd0\xb1\xd0\xbb\xd0\xbe\xd0\xba\"\\";
  sample.state.input_shape = {3, 224, 224};
  sample.state.output = "logits";
  sample.state.model_sha256 = std::string(64, 'a');
  sample.state.threshold = StateThreshold{-1.0 / 3, 0.95};
  sample.state.layers[1].weight = 0.1;
  const auto file = WriteState(sample.state);
  const FittedState read = ReadState(file);
  EXPECT_EQ(read.preset, "pytorch-ood");
  EXPECT_EQ(read.binning, "geometric");
  EXPECT_EQ(read.aggregation, "sum");
  ASSERT_EQ(read.layers.size(), 2U);
  for (size_t i = 0; i < 2; ++i) {
    const StateLayer& layer = read.layers[i];
    const StateLayer& written = sample.state.layers[i];
    EXPECT_EQ(layer.name, written.name);
    EXPECT_EQ(layer.m_bins, written.m_bins);
    EXPECT_EQ(layer.neurons, written.neurons);
    EXPECT_EQ(layer.alpha, written.alpha);
    EXPECT_EQ(layer.o_star, written.o_star);
    EXPECT_EQ(layer.reduce, written.reduce);
    EXPECT_EQ(layer.weight, written.weight);
    EXPECT_EQ(StateBytes(layer.counts.begin(), layer.counts.end()), sample.counts[i]);
    EXPECT_EQ(StateBytes(layer.edges.begin(), layer.edges.end()), sample.edges[i]);
  }
  EXPECT_EQ(read.execution_order, (std::vector<size_t>{1, 0}));
  EXPECT_EQ(read.samples, 5);
  EXPECT_EQ(read.input_shape, (std::vector<int64_t>{3, 224, 224}));
  EXPECT_EQ(std::get<std::string>(*read.output), "logits");
  EXPECT_EQ(read.model_sha256, std::string(64, 'a'));
  EXPECT_EQ(read.threshold->value, -1.0 / 3);
  EXPECT_EQ(read.threshold->tpr, 0.95);
  EXPECT_EQ(read.libtorch_version, "2.11.0+cpu");
  EXPECT_EQ(read.nacue_version, "0.2.0");
  EXPECT_EQ(WriteState(read), file);
}

TEST(ReadState, ReadsAFastStateAndKnowsOneOfTheParityModeByTheLackOfKeys) {
  for (const char* precision : {"float32", "tf32", "bfloat16"}) {
    const auto file = SampleFile([&](SampleState& s) { BeFast(s, precision); });
    EXPECT_NE(HeaderText(file).find(R"("mode":"fast")"), std::string::npos);
    const FittedState read = ReadState(file);
    EXPECT_EQ(read.mode, "fast");
    EXPECT_EQ(read.precision, precision);
    EXPECT_EQ(WriteState(read), file);
  }
  const auto file = SampleFile();
  EXPECT_EQ(HeaderText(file).find("\"mode\""), std::string::npos);
  EXPECT_EQ(HeaderText(file).find("precision"), std::string::npos);
  EXPECT_EQ(ReadState(file).mode, "parity");
  EXPECT_EQ(ReadState(file).precision, "");
}

TEST(ReadState, LeavesUnknownWhatTheFileDoesNotSay) {
  const auto file = SampleFile();
  const FittedState read = ReadState(file);
  EXPECT_EQ(read.layers[1].name, "attention[0]");
  EXPECT_FALSE(read.input_shape);
  EXPECT_FALSE(read.output);
  EXPECT_FALSE(read.threshold);
  EXPECT_EQ(read.model_sha256, "");
}

TEST(ReadState, TakesBytesAtAnyAddress) {
  const auto file = SampleFile();
  for (size_t shift = 1; shift < 8; ++shift) {
    StateBytes shifted(shift, 0xff);
    shifted.insert(shifted.end(), file.begin(), file.end());
    EXPECT_EQ(WriteState(ReadState(std::span(shifted).subspan(shift))), file);
  }
}

TEST(ReadState, PointsIntoTheBytesItWasGiven) {
  const auto file = SampleFile();
  const FittedState read = ReadState(file);
  EXPECT_GE(read.layers[0].counts.data(), file.data());
  EXPECT_LE(read.layers[1].edges.data() + read.layers[1].edges.size(), file.data() + file.size());
}

TEST(ReadState, RefusesEveryTruncation) {
  const auto file = SampleFile();
  for (size_t size = 0; size < file.size(); ++size) {
    ExpectRefusal([&] { ReadState(std::span(file).first(size)); }, "ERR_NACUE_STATE_FORMAT", "copy it again");
  }
}

TEST(ReadState, RefusesOtherFormatsAndVersions) {
  ExpectRefusedHeader(R"("format":"nacue")", R"("format":"pt")", "do not say that nacue wrote it");
  ExpectRefusedHeader(R"("format":"nacue",)", "", "do not say that nacue wrote it");
  ExpectRefusedHeader(R"("format_version":"1",)", "", "lack format_version");
  ExpectRefusedHeader(R"("format_version":"1")", R"("unknown":"","format_version":"2")", "has the format version '2'",
                      "ERR_NACUE_STATE_VERSION");
}

TEST(ReadState, RefusesUnknownAndMissingKeys) {
  ExpectRefusedHeader(R"("format":"nacue")", R"("format":"nacue","extra\n":"1")", "unknown key 'extra?'");
  const auto file = SampleFile();
  const Safetensors read = ReadSafetensors(file);
  EXPECT_EQ(read.metadata.size(), 15U);
  for (const auto& [key, value] : read.metadata) {
    if (key == "format") continue;
    SafetensorsMetadata others = read.metadata;
    others.erase(key);
    std::vector<NamedTensor> tensors;
    for (const auto& [name, tensor] : read.tensors) tensors.push_back({name, tensor});
    const auto changed = WriteSafetensors(others, tensors);
    ExpectRefusal([&] { ReadState(changed); }, kInvalid, "its metadata lack " + key);
  }
}

TEST(ReadState, RefusesMetadataOfTheWrongType) {
  ExpectRefusedHeader(R"("samples":"5")", R"("samples":"five")", "samples is no JSON, no value at byte 0");
  for (const char* samples : {"5.0", "\\\"5\\\"", "[5]", "true", "null", "9223372036854775808"}) {
    ExpectRefusedHeader(R"("samples":"5")", std::string("\"samples\":\"") + samples + "\"",
                        "samples is no whole number");
  }
  ExpectRefusedHeader(R"("m_bins":"[4, 3]")", R"("m_bins":"4")", "m_bins is no list");
  ExpectRefusedHeader(R"("m_bins":"[4, 3]")", R"("m_bins":"[4]")", "m_bins has 1 entries for 2 layers");
  ExpectRefusedHeader(R"("m_bins":"[4, 3]")", R"("m_bins":"[4, 3.5]")",
                      "m_bins holds something that is no whole number");
  ExpectRefusedHeader(R"("alpha":"[100, 0.1]")", R"("alpha":"[100, null]")", "alpha holds something that is no number");
  ExpectRefusedHeader(R"(\"block#2\")", "1", "layers holds something that is no string");
  ExpectRefusedHeader(R"("samples":"5")", R"("samples":"5","output":"1.5")", "output is neither");
  ExpectRefusedHeader(R"("samples":"5")", R"("samples":"5","model_sha256":"")", "model_sha256 is empty");
  ExpectRefusedHeader(R"("samples":"5")", R"("samples":"5","threshold":"1")", "lack threshold_tpr");
  ExpectRefusedHeader(R"("samples":"5")", R"("samples":"5","threshold_tpr":"1")", "lack threshold");
  ExpectRefusedHeader(R"("execution_order":"[1, 0]")", R"("execution_order":"[-1, 0]")", "execution_order");
  ExpectRefusedHeader(R"("samples":"5")", R"("samples":"5","mode":"fast")", "lack precision");
  ExpectRefusedHeader(R"("samples":"5")", R"("samples":"5","precision":"tf32")", "lack mode");
  ExpectRefusedHeader(R"("samples":"5")", R"("samples":"5","mode":"fast","precision":"")", "precision is empty");
  ExpectRefusedHeader(R"("samples":"5")", R"("samples":"5","mode":"parity","precision":"")", "precision is empty");
  ExpectRefusedHeader(R"("samples":"5")", R"("samples":"5","mode":"parity","precision":"float32")",
                      "mode has the unknown value 'parity'");
}

TEST(ReadState, RefusesUnknownNames) {
  ExpectInvalid([](SampleState& s) { s.state.preset = "b"; }, "preset has the unknown value 'b'");
  ExpectInvalid([](SampleState& s) { s.state.binning = ""; }, "binning has the unknown value ''");
  ExpectInvalid([](SampleState& s) { s.state.aggregation = "max"; }, "aggregation has the unknown value 'max'");
  ExpectInvalid([](SampleState& s) { s.state.mode = "quick"; }, "mode has the unknown value 'quick'");
  ExpectInvalid([](SampleState& s) { s.state.precision = "float32"; }, "mode has the unknown value 'parity'");
  for (const char* precision : {"", "float16", "Bfloat16"}) {
    ExpectInvalid([&](SampleState& s) { BeFast(s, precision); },
                  std::string("precision has the unknown value '") + precision + "'");
  }
  ExpectInvalid([](SampleState& s) { s.state.layers[0].reduce = "median"; },
                "reduce of layer 'block#2' has the unknown value 'median'");
  ExpectInvalid([](SampleState& s) { s.state.layers[0].reduce = "module:" + std::string(64, 'A'); }, "no SHA-256");
  ExpectInvalid([](SampleState& s) { s.state.layers[0].reduce = "module:" + std::string(63, 'a'); }, "no SHA-256");
  EXPECT_NO_THROW(SampleFile([](SampleState& s) { s.state.layers[0].reduce = "module:" + std::string(64, '0'); }));
  for (const char* digest : {"abc", "g123456789012345678901234567890123456789012345678901234567890123"}) {
    ExpectInvalid([&](SampleState& s) { s.state.model_sha256 = digest; }, "64 hexadecimal digits");
  }
}

TEST(ReadState, RefusesLayersThatDoNotMakeADetector) {
  ExpectInvalid([](SampleState& s) { s.state.layers.clear(); }, "it has 0 layers");
  ExpectInvalid([](SampleState& s) { s.state.layers[1].name = s.state.layers[0].name; }, "'block#2' is there twice");
  ExpectInvalid([](SampleState& s) { s.state.layers[1].name = "\xff"; }, "the name of layer '?' is not UTF-8");
  SampleState many;
  for (int i = 0; i < 1023; ++i) many.state.layers.push_back(many.state.layers[0]);
  ExpectRefusal([&] { WriteState(many.state); }, kInvalid, "it has 1025 layers");
  for (const std::vector<size_t>& order : std::vector<std::vector<size_t>>{{}, {0}, {0, 0}, {0, 2}, {0, 1, 1}}) {
    ExpectInvalid([&](SampleState& s) { s.state.execution_order = order; }, "execution_order does not name each layer");
  }
}

TEST(ReadState, RefusesNumbersOutOfRange) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const auto layer = [](auto StateLayer::* field, auto value) {
    return [=](SampleState& s) { s.state.layers[1].*field = value; };
  };
  for (const int64_t bins : {-1, 0, 1, 100'001}) ExpectInvalid(layer(&StateLayer::m_bins, bins), "m_bins of layer");
  for (const int64_t o_star : {int64_t{0}, kMaxSamples + 1}) {
    ExpectInvalid(layer(&StateLayer::o_star, o_star), "o_star of layer 'attention[0]' is " + std::to_string(o_star));
  }
  for (const double alpha : {0.0, -1.0, kInfinity, std::nan("")}) {
    ExpectInvalid(layer(&StateLayer::alpha, alpha), "alpha of layer 'attention[0]' is not finite and above 0");
  }
  for (const double weight : {-1.0, 1.1e9, kInfinity, std::nan("")}) {
    ExpectInvalid(layer(&StateLayer::weight, weight), "layer_weights of layer");
  }
  for (const std::string& name : {std::string("a\nb"), std::string("\x7f"), std::string(4097, 'x')})
    ExpectInvalid(layer(&StateLayer::name, name), "has control characters or more than 4096 bytes");
  ExpectInvalid([](SampleState& s) { s.state.layers[0].weight = s.state.layers[1].weight = 0; }, "are all 0");
  for (const int64_t samples : {int64_t{0}, kMaxSamples + 1}) {
    ExpectInvalid([&](SampleState& s) { s.state.samples = samples; }, "samples is " + std::to_string(samples));
  }
  ExpectInvalid([](SampleState& s) { s.state.input_shape.emplace(); }, "input_shape is empty");
  ExpectInvalid([](SampleState& s) { s.state.input_shape = {3, 0}; }, "a size of input_shape is 0");
  ExpectInvalid([](SampleState& s) { s.state.output = -1; }, "output is -1");
  ExpectInvalid([](SampleState& s) { s.state.output = "\xff"; }, "output is not UTF-8");
  ExpectInvalid([&](SampleState& s) { s.state.threshold = StateThreshold{kInfinity, 0.5}; }, "threshold is not finite");
  for (const double tpr : {0.0, 1.1, std::nan("")}) {
    ExpectInvalid([&](SampleState& s) { s.state.threshold = StateThreshold{0, tpr}; }, "threshold_tpr is not above 0");
  }
}

TEST(ReadState, RefusesVersionsThatAreNone) {
  for (const char* version : {"", "2.11 .0", ", 2.11", "2.11, ", "2.11,2.12", "2\n"}) {
    ExpectInvalid([&](SampleState& s) { s.state.libtorch_version = version; }, "libtorch_version is no version");
    ExpectInvalid([&](SampleState& s) { s.state.nacue_version = version; }, "nacue_version is no version");
  }
  EXPECT_NO_THROW(SampleFile([](SampleState& s) { s.state.libtorch_version = "2.11.0+cu130, 2.12.0a0_x-1"; }));
}

TEST(ReadState, RefusesOddBinsWithOpenOod) {
  const auto bins = [](int64_t m_bins) {
    return [=](SampleState& s) {
      s.state.binning = "openood";
      s.state.layers[1].m_bins = m_bins;
    };
  };
  for (const int64_t m_bins : {2, 5}) ExpectInvalid(bins(m_bins), "openood bins are even and at least 4");
}

TEST(ReadState, RefusesTensorsThatDoNotFitTheLayers) {
  const std::string counts = R"("counts.block#2":{"dtype":"I64","shape":[2,4])";
  ExpectRefusedHeader(counts, R"("other":{"dtype":"I64","shape":[2,4])", "it has no tensor counts.block#2");
  ExpectRefusedHeader(counts, R"("counts.block#2":{"dtype":"U64","shape":[2,4])", "counts.block#2 is no I64 with 2");
  ExpectRefusedHeader(counts, R"("counts.block#2":{"dtype":"I64","shape":[8])", "counts.block#2 is no I64 with 2");
  ExpectRefusedHeader(counts, R"("counts.block#2":{"dtype":"I64","shape":[2,4,1])", "counts.block#2 is no I64 with 2");
  ExpectRefusedHeader(counts, R"("counts.block#2":{"dtype":"I64","shape":[4,2])", "has 2 bins, m_bins says 4");
  ExpectRefusedHeader(R"("edges.attention[0]":{"dtype":"F32")", R"("edges.attention[0]":{"dtype":"I32")",
                      "edges.attention[0] is no F32 with 1");
  ExpectRefusedHeader(R"("__metadata__")", R"("more\n":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"__metadata__")",
                      "it has the unknown tensor more?");
  ExpectInvalid([](SampleState& s) { s.edges[0].resize(16); }, "edges.block#2 does not hold 5 edges");
  ExpectInvalid([](SampleState& s) { s.counts[0].pop_back(); }, "counts.block#2 does not hold m_bins counts");
  ExpectInvalid([](SampleState& s) { s.state.layers[0].neurons = int64_t{1} << 60; }, "does not hold m_bins counts");
  const auto without_neurons = [](SampleState& s) {
    s.state.layers[0].neurons = 0;
    s.counts[0].clear();
  };
  ExpectInvalid(without_neurons, "counts.block#2 does not hold m_bins counts");
}

TEST(ReadState, RefusesRowsThatDoNotAddUp) {
  const auto row = [](const std::vector<int64_t>& second) {
    return [=](SampleState& s) {
      std::vector<int64_t> counts = {5, 0, 0, 0};
      counts.insert(counts.end(), second.begin(), second.end());
      s.counts[0] = BytesOfNumbers(counts);
    };
  };
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  EXPECT_NO_THROW(SampleFile(row({1, 1, 1, 2})));
  ExpectInvalid(row({1, 1, 1, 1}), "counts.block#2, neuron 1: the counts add up to 4, the state has 5 samples");
  ExpectInvalid(row({0, 6, -1, 0}), "counts.block#2, neuron 1: bin 2 holds -1");
  ExpectInvalid(row({kMost, 0, 0, 0}), "add up to 9223372036854775807, the state");
  ExpectInvalid(row({kMost, kMost, 7, 0}), "add up to more than 2^64");  // 5 in 64 bits
  ExpectInvalid(row({std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::min(), 5, 0}),
                "bin 0 holds -9");
}

TEST(ReadState, RefusesEdgesThatCutNothing) {
  const auto edges = [](const std::vector<float>& values) {
    return [=](SampleState& s) { s.edges[1] = BytesOfNumbers(values); };
  };
  EXPECT_NO_THROW(SampleFile(edges({0, 0, 1.2F})));
  ExpectInvalid(edges({0.5, 0.4F, 1}), "edges.attention[0]: edge 1 is less");
  ExpectInvalid(edges({-0.1F, 0.4F, 1}), "edge 0 is less");
  ExpectInvalid(edges({0, 0.4F, 1.3F}), "edge 2 is less");
  ExpectInvalid(edges({0, std::nanf(""), 1}), "edge 1 is less");
}

TEST(ReadState, RefusesListsLongerThanAnyState) {
  std::string ones = "1";
  for (int i = 0; i < 1025; ++i) ones += ",1";
  ExpectRefusedHeader(R"("m_bins":"[4, 3]")", R"("m_bins":"[)" + ones + "]\"", "m_bins has more than 1025 entries");
  ExpectRefusedHeader(R"("execution_order":"[1, 0]")", R"("execution_order":"[)" + ones + "]\"",
                      "execution_order has more than 1025 entries");
}

// A header of 1 MiB: `text`, `repeated` as often as it fits with a number in place of its '#', `end`.
std::string FullHeader(std::string text, const std::string& repeated, const std::string& end) {
  const size_t place = repeated.find('#');
  for (size_t i = 0;; ++i) {
    std::string next = repeated;
    if (place != std::string::npos) next.replace(place, 1, std::to_string(i));
    if (text.size() + next.size() + end.size() > kMaxSafetensorsHeader) return text + end;
    text += next;
  }
}

// What reading may take beyond twice the file.
constexpr size_t kFixedMemory = 512 << 10;

TEST(ReadState, TakesAtMostTwiceAHeaderOf1MiB) {
  if (!kCountsAllocations) GTEST_SKIP() << "operator new is AddressSanitizer's";
  const auto sample = SampleFile();
  const auto in_metadata = [&](const std::string& before, const std::string& repeated) {
    const std::string header = HeaderText(sample);
    const size_t place = header.find(before) + before.size();
    return FullHeader(header.substr(0, place), repeated, header.substr(place));
  };
  const std::string tensor = R"("#":{"dtype":"U8","shape":[],"data_offsets":[0,1]})";
  const std::pair<const char*, std::string> headers[] = {
      {"numbers", FullHeader(R"({"x":[0)", ",0", "]}")},
      {"lists", FullHeader(R"({"x":[[])", ",[]", "]}")},
      {"a shape", FullHeader(R"({"x":{"shape":[0)", ",0", "]}}")},
      {"fields", FullHeader(R"({"x":{)", R"("#":0,)", R"("x":0}})")},
      {"metadata", FullHeader(R"({"__metadata__":{)", R"("#":"",)", R"("x":""}})")},
      {"tensors", FullHeader("{", R"("#":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)", tensor + "}")},
      {"a long name", FullHeader("{\"", "n", tensor.substr(1) + "}")},
      {"a long dtype", FullHeader(R"({"x":{"shape":[],"data_offsets":[0,0],"dtype":")", "d", "\"}}")},
      {"a long value", in_metadata(R"("preset":")", "v")},
      {"escapes", in_metadata(R"("preset":")", R"(\u20ac)")},
      {"a long layer", in_metadata(R"("layers":"[\")", "n")},
      {"layers", in_metadata(R"("layers":"[)", R"(\"\",)")},
      {"sizes", in_metadata(R"("m_bins":"[)", "4,")},
  };
  for (const auto& [what, header] : headers) {
    const auto file = WithHeader(sample, header);
    ASSERT_GT(file.size(), kMaxSafetensorsHeader - 100) << what;
    EXPECT_LT(AllocationPeak([&] { EXPECT_THROW(ReadState(file), Error) << what; }), 2 * file.size() + kFixedMemory)
        << what;
  }
}

TEST(ReadState, TakesAtMostTwiceAStateOf1024Layers) {
  if (!kCountsAllocations) GTEST_SKIP() << "operator new is AddressSanitizer's";
  for (const size_t name_size : {1, 250}) {
    const auto file = SampleFile([&](SampleState& s) {
      s.state.layers.assign(1024, StateLayer(s.state.layers[1]));
      s.counts.assign(1024, StateBytes(s.counts[1]));
      s.edges.assign(1024, StateBytes(s.edges[1]));
      s.state.execution_order.clear();
      for (size_t layer = 0; layer < 1024; ++layer) {
        s.state.layers[layer].name = std::string(name_size, 'n') + std::to_string(layer);
        s.state.execution_order.push_back(layer);
      }
    });
    FittedState state;
    EXPECT_LT(AllocationPeak([&] { state = ReadState(file); }), 2 * file.size() + kFixedMemory);
    EXPECT_EQ(state.layers.size(), 1024U);
  }
}

TEST(WriteState, WritesEqualStatesAlike) {
  const auto minus_zero = [](SampleState& s) { s.state.layers[1].weight = -0.0; };
  const auto zero = [](SampleState& s) { s.state.layers[1].weight = 0.0; };
  EXPECT_EQ(SampleFile(minus_zero), SampleFile(zero));
  EXPECT_EQ(SampleFile(), SampleFile());
}

TEST(WriteState, PutsAllCountsBeforeAllEdges) {
  const auto file = SampleFile();
  const FittedState read = ReadState(file);
  EXPECT_EQ(HeaderText(file).size() % 8, 0U);
  EXPECT_EQ(read.layers[0].counts.data() + read.layers[0].counts.size(), read.layers[1].counts.data());
  EXPECT_EQ(read.layers[1].counts.data() + read.layers[1].counts.size(), read.layers[0].edges.data());
  EXPECT_EQ(read.layers[0].edges.data() + read.layers[0].edges.size(), read.layers[1].edges.data());
}

TEST(EdgeCount, IsWhatTheBinsNeed) {
  EXPECT_EQ(EdgeCount("geometric", 50), 51U);
  EXPECT_EQ(EdgeCount("geometric", 51), 51U);
  EXPECT_EQ(EdgeCount("uniform", 51), 52U);
  EXPECT_EQ(EdgeCount("logit", 50), 51U);
  EXPECT_EQ(EdgeCount("openood", 50), 50U);
}

}  // namespace

}  // namespace nacue
