// See fitted_state.h.
#include "fitted_state.h"

#include <functional>
#include <set>

#include "check_state.h"
#include "refuse_state.h"
#include "safetensors.h"
#include "state_layout.h"
#include "state_metadata.h"

namespace nacue {

namespace {

const SafetensorsTensor& TensorOf(const Safetensors& file, const std::string& name, const char* dtype,
                                  size_t dimensions) {
  const auto found = file.tensors.find(name);
  if (found == file.tensors.end()) RefuseInvalid("it has no tensor " + Printable(name));
  const SafetensorsTensor& tensor = found->second;
  if (tensor.dtype != dtype || tensor.shape.size() != dimensions) {
    RefuseInvalid(Printable(name) + " is no " + dtype + " with " + std::to_string(dimensions) + " dimensions");
  }
  return tensor;
}

void ReadTensors(const Safetensors& file, FittedState& state) {
  std::set<std::string, std::less<>> known;
  for (StateLayer& layer : state.layers) {
    const std::string counts_name = CountsName(layer);
    const SafetensorsTensor& counts = TensorOf(file, counts_name, "I64", 2);
    layer.neurons = counts.shape[0];
    layer.counts = counts.bytes;
    if (counts.shape[1] != layer.m_bins) {
      RefuseInvalid(Printable(counts_name) + " has " + std::to_string(counts.shape[1]) + " bins, m_bins says " +
                    std::to_string(layer.m_bins));
    }
    layer.edges = TensorOf(file, EdgesName(layer), "F32", 1).bytes;
    known.insert({counts_name, EdgesName(layer)});
  }
  for (const auto& [name, tensor] : file.tensors) {
    if (!known.contains(name)) RefuseInvalid("it has the unknown tensor " + Printable(name));
  }
}

}  // namespace

size_t EdgeCount(const std::string& binning, int64_t m_bins) {
  const auto bins = static_cast<size_t>(m_bins);
  if (binning == "openood") return bins;
  return binning == "geometric" ? bins / 2 * 2 + 1 : bins + 1;
}

FittedState ReadState(std::span<const uint8_t> bytes) {
  const Safetensors file = ReadSafetensors(bytes);
  FittedState state = ReadStateMetadata(file.metadata);
  CheckStateOptions(state);
  ReadTensors(file, state);
  CheckStateTensors(state);
  return state;
}

std::vector<uint8_t> WriteState(const FittedState& state) {
  CheckStateOptions(state);
  CheckStateTensors(state);
  return EncodeState(state);
}

}  // namespace nacue
