// Small fitted states with memory of their own, raw safetensors files, and what a refusal must look like.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/error.h"
#include "state/fitted_state.h"

namespace nacue {

using StateBytes = std::vector<uint8_t>;

template <typename Number>
StateBytes BytesOfNumbers(const std::vector<Number>& numbers) {
  const auto* begin = reinterpret_cast<const uint8_t*>(numbers.data());
  return {begin, begin + numbers.size() * sizeof(Number)};
}

// A state and the bytes that its spans point into: it is not copied.
class SampleState {
 public:
  // Layers "block#2" (2 neurons, 4 bins) and "attention[0]" (1 neuron, 3 bins), geometric, 5 samples. In each row,
  // `first` of them fell into the first bin, the others into the last.
  explicit SampleState(int64_t first = 2, int64_t samples = 5);
  SampleState(const SampleState&) = delete;

  FittedState state;
  std::vector<StateBytes> counts;
  std::vector<StateBytes> edges;

  // Lets the spans follow counts and edges.
  void Point();
};

// Makes it one of the fast mode.
void BeFast(SampleState& sample, const std::string& precision);

// The file of a sample that `change` was made to.
StateBytes SampleFile(const std::function<void(SampleState&)>& change = nullptr);

// An 8-byte length, the header and the data.
StateBytes RawSafetensors(const std::string& header, const std::string& data = "");

// The text of a file's header, and the file with another header in front of the same data.
std::string HeaderText(const StateBytes& file);
StateBytes WithHeader(const StateBytes& file, const std::string& header);

// `text` with the only `before` in it replaced.
std::string Replaced(std::string text, const std::string& before, const std::string& after);

void ExpectRefusal(const std::function<void()>& run, const std::string& code, const std::string& fragment);

}  // namespace nacue
