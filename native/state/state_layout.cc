#include "state_layout.h"

#include <utility>

#include "safetensors.h"
#include "state_metadata.h"

namespace nacue {

std::string CountsName(const StateLayer& layer) {
  return "counts." + layer.name;
}

std::string EdgesName(const StateLayer& layer) {
  return "edges." + layer.name;
}

std::vector<uint8_t> EncodeState(const FittedState& state) {
  std::vector<NamedTensor> tensors;
  for (const StateLayer& layer : state.layers) {
    tensors.push_back({CountsName(layer), {"I64", {layer.neurons, layer.m_bins}, layer.counts}});
  }
  for (const StateLayer& layer : state.layers) {
    const auto count = static_cast<int64_t>(layer.edges.size() / sizeof(float));
    tensors.push_back({EdgesName(layer), {"F32", {count}, layer.edges}});
  }
  return WriteSafetensors(WriteStateMetadata(state), tensors);
}

}  // namespace nacue
