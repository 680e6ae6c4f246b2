#include "sample_state.h"

#include <cstring>

namespace nacue {

SampleState::SampleState(int64_t first, int64_t samples) {
  state.preset = "pytorch-ood";
  state.binning = "geometric";
  state.aggregation = "sum";
  state.layers.resize(2);
  state.layers = {{"block#2", 4, 2, 100.0, 50, "auto", 1.0, {}, {}},
                  {"attention[0]", 3, 1, 0.1, 7, "mean", 1.0, {}, {}}};
  state.execution_order = {1, 0};
  state.samples = samples;
  state.libtorch_version = "2.11.0+cpu";
  state.nacue_version = "0.2.0";
  const int64_t last = samples - first;
  counts = {BytesOfNumbers<int64_t>({first, 0, 0, last, first, 0, 0, last}), BytesOfNumbers<int64_t>({first, 0, last})};
  edges = {BytesOfNumbers<float>({0, 0.25, 0.5, 0.75, 1}), BytesOfNumbers<float>({0, 0.5, 1.2F})};
  Point();
}

void SampleState::Point() {
  for (size_t layer = 0; layer < state.layers.size(); ++layer) {
    state.layers[layer].counts = counts[layer];
    state.layers[layer].edges = edges[layer];
  }
}

void BeFast(SampleState& sample, const std::string& precision) {
  sample.state.mode = "fast";
  sample.state.precision = precision;
}

StateBytes SampleFile(const std::function<void(SampleState&)>& change) {
  SampleState sample;
  if (change) change(sample);
  sample.Point();
  return WriteState(sample.state);
}

StateBytes RawSafetensors(const std::string& header, const std::string& data) {
  StateBytes file = BytesOfNumbers<uint64_t>({header.size()});
  file.insert(file.end(), header.begin(), header.end());
  file.insert(file.end(), data.begin(), data.end());
  return file;
}

std::string HeaderText(const StateBytes& file) {
  uint64_t size = 0;
  std::memcpy(&size, file.data(), sizeof(size));
  return {file.begin() + sizeof(size), file.begin() + sizeof(size) + size};
}

StateBytes WithHeader(const StateBytes& file, const std::string& header) {
  const size_t data = sizeof(uint64_t) + HeaderText(file).size();
  return RawSafetensors(header, {file.begin() + data, file.end()});
}

std::string Replaced(std::string text, const std::string& before, const std::string& after) {
  const size_t place = text.find(before);
  EXPECT_NE(place, std::string::npos) << before << " is not in " << text;
  if (place == std::string::npos) return text;
  EXPECT_EQ(text.find(before, place + 1), std::string::npos) << before << " is there twice";
  return text.replace(place, before.size(), after);
}

void ExpectRefusal(const std::function<void()>& run, const std::string& code, const std::string& fragment) {
  try {
    run();
    ADD_FAILURE() << "not refused: " << fragment;
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(error.code(), code) << message;
    EXPECT_NE(message.find(fragment), std::string::npos) << message << " lacks: " << fragment;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    for (const char c : message) EXPECT_TRUE(c >= ' ' && c <= '~') << message;
  }
}

}  // namespace nacue
