#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <set>
#include <string_view>

#include "check_state.h"
#include "json.h"
#include "refuse_state.h"
#include "utf8.h"

namespace nacue {

namespace {

constexpr size_t kMaxLayers = 1024;
constexpr size_t kMaxNameBytes = 4096;
constexpr double kMaxWeight = 1e9;  // far from where a float32 score overflows
constexpr int64_t kMinBins = 2;
constexpr int64_t kMaxBins = 100'000;
constexpr int64_t kMinOpenOodBins = 4;
constexpr size_t kSha256Digits = 64;
constexpr std::string_view kModulePrefix = "module:";

void CheckOneOf(const char* key, std::string_view value, std::initializer_list<std::string_view> allowed) {
  if (std::find(allowed.begin(), allowed.end(), value) == allowed.end()) {
    RefuseInvalid(std::string(key) + " has the unknown value '" + Printable(value) + "'");
  }
}

void CheckMode(const FittedState& state) {
  if (state.mode == "parity" && state.precision.empty()) return;
  CheckOneOf("mode", state.mode, {"fast"});
  CheckOneOf("precision", state.precision, {"float32", "tf32", "bfloat16"});
}

void CheckInteger(const std::string& what, int64_t value, int64_t least, int64_t most) {
  if (value < least || value > most) {
    RefuseInvalid(what + " is " + std::to_string(value) + ", not from " + std::to_string(least) + " to " +
                  std::to_string(most));
  }
}

bool IsSha256(std::string_view text) {
  return text.size() == kSha256Digits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

void CheckReduce(const std::string& where, std::string_view reduce) {
  if (reduce.starts_with(kModulePrefix)) {
    if (!IsSha256(reduce.substr(kModulePrefix.size())))
      RefuseInvalid("reduce" + where + " names a module by no SHA-256");
    return;
  }
  CheckOneOf(("reduce" + where).c_str(), reduce,
             {"auto", "mean", "sum", "max-abs", "flatten", "first-token", "mean-tokens", "channels-last"});
}

void CheckBins(const std::string& where, int64_t m_bins, const std::string& binning) {
  CheckInteger("m_bins" + where, m_bins, kMinBins, kMaxBins);
  if (binning == "openood" && (m_bins < kMinOpenOodBins || m_bins % 2 != 0)) {
    RefuseInvalid("m_bins" + where + " is " + std::to_string(m_bins) + ", openood bins are even and at least 4");
  }
}

void CheckLayer(const StateLayer& layer, const std::string& binning) {
  const std::string where = " of layer '" + Printable(layer.name) + "'";
  if (!IsUtf8(layer.name)) RefuseInvalid("the name" + where + " is not UTF-8");
  const bool has_control = std::any_of(layer.name.begin(), layer.name.end(),
                                       [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
  if (layer.name.size() > kMaxNameBytes || has_control)
    RefuseInvalid("the name" + where + " has control characters or more than " + std::to_string(kMaxNameBytes) +
                  " bytes");
  CheckBins(where, layer.m_bins, binning);
  CheckInteger("o_star" + where, layer.o_star, 1, kMaxSafeInteger);
  if (!std::isfinite(layer.alpha) || layer.alpha <= 0) RefuseInvalid("alpha" + where + " is not finite and above 0");
  if (!(layer.weight >= 0 && layer.weight <= kMaxWeight))
    RefuseInvalid("layer_weights" + where + " is not from 0 to 1e9");
  CheckReduce(where, layer.reduce);
}

void CheckLayers(const std::vector<StateLayer>& layers, const std::string& binning) {
  if (layers.empty() || layers.size() > kMaxLayers) {
    RefuseInvalid("it has " + std::to_string(layers.size()) + " layers, not from 1 to " + std::to_string(kMaxLayers));
  }
  std::set<std::string_view> names;
  for (const StateLayer& layer : layers) {
    CheckLayer(layer, binning);
    if (!names.insert(layer.name).second) RefuseInvalid("layer '" + Printable(layer.name) + "' is there twice");
  }
  if (std::all_of(layers.begin(), layers.end(), [](const StateLayer& layer) { return layer.weight == 0; })) {
    RefuseInvalid("layer_weights are all 0");
  }
}

void CheckExecutionOrder(const FittedState& state) {
  const std::set<size_t> indices(state.execution_order.begin(), state.execution_order.end());
  const size_t count = state.layers.size();
  if (state.execution_order.size() != count || indices.size() != count || *indices.rbegin() >= count) {
    RefuseInvalid("execution_order does not name each layer once");
  }
}

void CheckOptionalKeys(const FittedState& state) {
  if (state.input_shape) {
    if (state.input_shape->empty()) RefuseInvalid("input_shape is empty");
    for (const int64_t size : *state.input_shape) CheckInteger("a size of input_shape", size, 1, kMaxSafeInteger);
  }
  if (state.output) {
    const auto* index = std::get_if<int64_t>(&*state.output);
    if (index) CheckInteger("output", *index, 0, kMaxSafeInteger);
    if (!index && !IsUtf8(std::get<std::string>(*state.output))) RefuseInvalid("output is not UTF-8");
  }
  if (!state.model_sha256.empty() && !IsSha256(state.model_sha256)) {
    RefuseInvalid("model_sha256 is not 64 hexadecimal digits in lower case");
  }
  if (state.threshold) {
    if (!std::isfinite(state.threshold->value)) RefuseInvalid("threshold is not finite");
    if (!(state.threshold->tpr > 0 && state.threshold->tpr <= 1)) {
      RefuseInvalid("threshold_tpr is not above 0 and at most 1");
    }
  }
}

// One version or several, joined as MergeStates joins them.
void CheckVersions(const char* key, std::string_view versions) {
  static constexpr std::string_view kSeparator = ", ";
  for (bool is_last = false; !is_last;) {
    const size_t end = versions.find(kSeparator);
    const std::string_view version = versions.substr(0, end);
    const bool is_version = std::all_of(version.begin(), version.end(), [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
             std::string_view(".+-_").find(c) != std::string_view::npos;
    });
    if (version.empty() || !is_version)
      RefuseInvalid(std::string(key) + " is no version, '" + Printable(version) + "'");
    is_last = end == std::string_view::npos;
    if (!is_last) versions.remove_prefix(end + kSeparator.size());
  }
}

}  // namespace

void CheckStateOptions(const FittedState& state) {
  CheckOneOf("preset", state.preset, {"pytorch-ood", "openood"});
  CheckOneOf("binning", state.binning, {"geometric", "uniform", "logit", "openood"});
  CheckOneOf("aggregation", state.aggregation, {"sum", "mean"});
  CheckMode(state);
  CheckLayers(state.layers, state.binning);
  CheckExecutionOrder(state);
  CheckInteger("samples", state.samples, 1, kMaxSafeInteger);
  CheckOptionalKeys(state);
  CheckVersions("libtorch_version", state.libtorch_version);
  CheckVersions("nacue_version", state.nacue_version);
}

}  // namespace nacue
