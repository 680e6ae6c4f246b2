// Runs over every count once: the sum of a row has 128 bits, so that neither a wrapped sum nor a negative count, which
// as an unsigned number is beyond any `samples`, goes unnoticed.
#include <cstring>

#include "check_state.h"
#include "refuse_state.h"
#include "state_layout.h"

namespace nacue {

namespace {

template <typename Number>
Number At(std::span<const uint8_t> numbers, size_t index) {
  Number number;
  std::memcpy(&number, numbers.data() + index * sizeof(Number), sizeof(Number));
  return number;
}

// The row does not add up to `samples`: says why.
[[noreturn]] void RefuseRow(const StateLayer& layer, size_t neuron, std::span<const uint8_t> row, int64_t samples) {
  const std::string where = Printable(CountsName(layer)) + ", neuron " + std::to_string(neuron);
  uint64_t sum = 0;
  bool overflows = false;
  for (size_t bin = 0; bin < static_cast<size_t>(layer.m_bins); ++bin) {
    const auto count = At<int64_t>(row, bin);
    if (count < 0) RefuseInvalid(where + ": bin " + std::to_string(bin) + " holds " + std::to_string(count));
    overflows |= __builtin_add_overflow(sum, static_cast<uint64_t>(count), &sum);
  }
  RefuseInvalid(where + ": the counts add up to " + (overflows ? "more than 2^64" : std::to_string(sum)) +
                ", the state has " + std::to_string(samples) + " samples");
}

void CheckCounts(const StateLayer& layer, int64_t samples) {
  const auto bins = static_cast<size_t>(layer.m_bins);
  const size_t row_size = bins * sizeof(int64_t);
  for (size_t neuron = 0; neuron < static_cast<size_t>(layer.neurons); ++neuron) {
    const auto row = layer.counts.subspan(neuron * row_size, row_size);
    unsigned __int128 sum = 0;
    for (size_t bin = 0; bin < bins; ++bin) sum += At<uint64_t>(row, bin);
    if (sum != static_cast<uint64_t>(samples)) RefuseRow(layer, neuron, row, samples);
  }
}

void CheckEdges(const StateLayer& layer) {
  float before = 0.0F;
  for (size_t i = 0; i < layer.edges.size() / sizeof(float); ++i) {
    const auto edge = At<float>(layer.edges, i);
    if (!(edge >= before && edge <= 1.2F)) {  // also NaN
      RefuseInvalid(Printable(EdgesName(layer)) + ": edge " + std::to_string(i) +
                    " is less than the one before it or outside of [0, 1.2]");
    }
    before = edge;
  }
}

void CheckSizes(const StateLayer& layer, const std::string& binning) {
  int64_t size = 0;
  if (layer.neurons < 1 || __builtin_mul_overflow(layer.neurons, layer.m_bins * int64_t{sizeof(int64_t)}, &size) ||
      layer.counts.size() != static_cast<size_t>(size)) {
    RefuseInvalid(Printable(CountsName(layer)) + " does not hold m_bins counts for each neuron");
  }
  if (layer.edges.size() != EdgeCount(binning, layer.m_bins) * sizeof(float)) {
    RefuseInvalid(Printable(EdgesName(layer)) + " does not hold " + std::to_string(EdgeCount(binning, layer.m_bins)) +
                  " edges");
  }
}

}  // namespace

void CheckStateTensors(const FittedState& state) {
  for (const StateLayer& layer : state.layers) {
    CheckSizes(layer, state.binning);
    CheckEdges(layer);
    CheckCounts(layer, state.samples);
  }
}

}  // namespace nacue
