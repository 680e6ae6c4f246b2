#include "state_metadata.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <type_traits>

#include "json.h"
#include "refuse_state.h"

namespace nacue {

namespace {

// Of a list: one more than a state has layers, so that check_state.h says how many are too many.
constexpr size_t kMaxItems = 1025;

constexpr std::string_view kKeys[] = {
    "aggregation",  "alpha",         "binning",   "execution_order",  "format",    "format_version",
    "input_shape",  "layer_weights", "layers",    "libtorch_version", "m_bins",    "mode",
    "model_sha256", "nacue_version", "o_star",    "output",           "precision", "preset",
    "reduce",       "samples",       "threshold", "threshold_tpr"};

const std::string* Find(const SafetensorsMetadata& metadata, const char* key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? nullptr : &found->second;
}

const std::string& Text(const SafetensorsMetadata& metadata, const char* key) {
  const std::string* text = Find(metadata, key);
  if (!text) RefuseInvalid(std::string("its metadata lack ") + key);
  return *text;
}

// Reads the text of the key, which is JSON.
JsonReader Json(const SafetensorsMetadata& metadata, const char* key) {
  const std::string& text = Text(metadata, key);
  try {
    CheckJson(text);
  } catch (const JsonError& error) {
    RefuseInvalid(std::string(key) + " is no JSON, " + error.what());
  }
  return JsonReader(text);
}

// The value that comes next; where it is of another type, nullopt.
template <typename Type>
std::optional<Type> Next(JsonReader& json) {
  const JsonType type = json.Type();
  if constexpr (std::is_same_v<Type, std::string>) {
    if (type == JsonType::kString) return json.String();
  } else if (type == JsonType::kNumber) {
    const JsonNumber number = json.Number();
    if constexpr (std::is_same_v<Type, double>) return number.value;
    if constexpr (std::is_same_v<Type, int64_t>) return number.integer;
  }
  return std::nullopt;
}

template <typename Type>
constexpr const char* kTypeName = "string";
template <>
constexpr const char* kTypeName<double> = "number";
template <>
constexpr const char* kTypeName<int64_t> = "whole number";

template <typename Type>
Type One(const SafetensorsMetadata& metadata, const char* key) {
  JsonReader json = Json(metadata, key);
  const auto value = Next<Type>(json);
  if (!value) RefuseInvalid(std::string(key) + " is no " + kTypeName<Type>);
  return *value;
}

template <typename Type>
std::vector<Type> List(const SafetensorsMetadata& metadata, const char* key) {
  JsonReader json = Json(metadata, key);
  if (json.Type() != JsonType::kArray) RefuseInvalid(std::string(key) + " is no list");
  std::vector<Type> list;
  json.Array([&] {
    if (list.size() == kMaxItems) {
      RefuseInvalid(std::string(key) + " has more than " + std::to_string(kMaxItems) + " entries");
    }
    auto value = Next<Type>(json);
    if (!value) RefuseInvalid(std::string(key) + " holds something that is no " + kTypeName<Type>);
    list.push_back(std::move(*value));
  });
  return list;
}

template <typename Type>
void ReadPerLayer(const SafetensorsMetadata& metadata, const char* key, Type StateLayer::* field,
                  std::vector<StateLayer>& layers) {
  auto list = List<Type>(metadata, key);
  if (list.size() != layers.size()) {
    RefuseInvalid(std::string(key) + " has " + std::to_string(list.size()) + " entries for " +
                  std::to_string(layers.size()) + " layers");
  }
  for (size_t layer = 0; layer < layers.size(); ++layer) layers[layer].*field = std::move(list[layer]);
}

// First, as another version may have other keys.
void CheckVersion(const SafetensorsMetadata& metadata) {
  const std::string* format = Find(metadata, "format");
  if (!format || *format != kStateFormat) RefuseInvalid("its metadata do not say that nacue wrote it");
  const std::string& version = Text(metadata, "format_version");
  if (version != kStateFormatVersion) RefuseVersion("'" + Printable(version) + "'");
}

void RefuseUnknownKeys(const SafetensorsMetadata& metadata) {
  for (const auto& [key, value] : metadata) {
    if (std::find(std::begin(kKeys), std::end(kKeys), key) == std::end(kKeys)) {
      RefuseInvalid("its metadata have the unknown key '" + Printable(key) + "'");
    }
  }
}

void ReadLayers(const SafetensorsMetadata& metadata, FittedState& state) {
  auto names = List<std::string>(metadata, "layers");
  state.layers.resize(names.size());
  for (size_t layer = 0; layer < names.size(); ++layer) state.layers[layer].name = std::move(names[layer]);
  ReadPerLayer(metadata, "m_bins", &StateLayer::m_bins, state.layers);
  ReadPerLayer(metadata, "alpha", &StateLayer::alpha, state.layers);
  ReadPerLayer(metadata, "o_star", &StateLayer::o_star, state.layers);
  ReadPerLayer(metadata, "reduce", &StateLayer::reduce, state.layers);
  ReadPerLayer(metadata, "layer_weights", &StateLayer::weight, state.layers);
  for (const int64_t index : List<int64_t>(metadata, "execution_order")) {
    state.execution_order.push_back(static_cast<size_t>(index));  // negative: beyond any number of layers
  }
}

// A file of the parity mode has neither key: readers that do not know the keys refuse the fast mode, and only that.
void ReadMode(const SafetensorsMetadata& metadata, FittedState& state) {
  if (!Find(metadata, "mode") && !Find(metadata, "precision")) return;
  state.mode = Text(metadata, "mode");
  state.precision = Text(metadata, "precision");
  if (state.precision.empty()) RefuseInvalid("precision is empty");
}

void ReadOptionalKeys(const SafetensorsMetadata& metadata, FittedState& state) {
  if (Find(metadata, "input_shape")) state.input_shape = List<int64_t>(metadata, "input_shape");
  if (Find(metadata, "output")) {
    JsonReader output = Json(metadata, "output");
    if (output.Type() == JsonType::kString) {
      state.output = output.String();
    } else if (const auto index = Next<int64_t>(output)) {
      state.output = *index;
    } else {
      RefuseInvalid("output is neither a whole number nor a string");
    }
  }
  if (const std::string* sha256 = Find(metadata, "model_sha256")) {
    if (sha256->empty()) RefuseInvalid("model_sha256 is empty");
    state.model_sha256 = *sha256;
  }
  if (Find(metadata, "threshold") || Find(metadata, "threshold_tpr")) {
    state.threshold = {One<double>(metadata, "threshold"), One<double>(metadata, "threshold_tpr")};
  }
}

}  // namespace

FittedState ReadStateMetadata(const SafetensorsMetadata& metadata) {
  CheckVersion(metadata);
  RefuseUnknownKeys(metadata);
  FittedState state;
  state.preset = Text(metadata, "preset");
  state.binning = Text(metadata, "binning");
  state.aggregation = Text(metadata, "aggregation");
  ReadMode(metadata, state);
  ReadLayers(metadata, state);
  state.samples = One<int64_t>(metadata, "samples");
  ReadOptionalKeys(metadata, state);
  state.libtorch_version = Text(metadata, "libtorch_version");
  state.nacue_version = Text(metadata, "nacue_version");
  return state;
}

}  // namespace nacue
