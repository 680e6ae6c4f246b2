// The writing half of state_metadata.h.
#include <string_view>
#include <type_traits>
#include <variant>

#include "json.h"
#include "state_metadata.h"

namespace nacue {

namespace {

template <typename Value, typename Field>
std::string PerLayer(const std::vector<StateLayer>& layers, Field field) {
  std::string list = "[";
  for (const StateLayer& layer : layers) {
    if (list.size() > 1) list += ", ";
    if constexpr (std::is_same_v<Value, double>) {
      list += JsonText(layer.*field + 0.0);  // -0.0 as 0: equal states give equal bytes
    } else {
      list += JsonText(Value(layer.*field));
    }
  }
  return list + "]";
}

template <typename Numbers>
std::string ListText(const Numbers& numbers) {
  std::string list = "[";
  for (const auto number : numbers) {
    if (list.size() > 1) list += ", ";
    list += JsonText(static_cast<int64_t>(number));
  }
  return list + "]";
}

void WriteOptionalKeys(const FittedState& state, SafetensorsMetadata& metadata) {
  if (state.mode != "parity") {
    metadata["mode"] = state.mode;
    metadata["precision"] = state.precision;
  }
  if (state.input_shape) metadata["input_shape"] = ListText(*state.input_shape);
  if (state.output) {
    metadata["output"] = std::visit([](const auto& key) { return JsonText(key); }, *state.output);
  }
  if (!state.model_sha256.empty()) metadata["model_sha256"] = state.model_sha256;
  if (state.threshold) {
    metadata["threshold"] = JsonText(state.threshold->value);
    metadata["threshold_tpr"] = JsonText(state.threshold->tpr);
  }
}

}  // namespace

SafetensorsMetadata WriteStateMetadata(const FittedState& state) {
  SafetensorsMetadata metadata = {
      {"format", kStateFormat},
      {"format_version", kStateFormatVersion},
      {"preset", state.preset},
      {"binning", state.binning},
      {"aggregation", state.aggregation},
      {"layers", PerLayer<std::string_view>(state.layers, &StateLayer::name)},
      {"execution_order", ListText(state.execution_order)},
      {"m_bins", PerLayer<int64_t>(state.layers, &StateLayer::m_bins)},
      {"alpha", PerLayer<double>(state.layers, &StateLayer::alpha)},
      {"o_star", PerLayer<int64_t>(state.layers, &StateLayer::o_star)},
      {"reduce", PerLayer<std::string_view>(state.layers, &StateLayer::reduce)},
      {"layer_weights", PerLayer<double>(state.layers, &StateLayer::weight)},
      {"samples", JsonText(state.samples)},
      {"libtorch_version", state.libtorch_version},
      {"nacue_version", state.nacue_version},
  };
  WriteOptionalKeys(state, metadata);
  return metadata;
}

}  // namespace nacue
