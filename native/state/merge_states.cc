// MergeStates of fitted_state.h: reads and compares all, writes the first with the joint metadata, then adds the counts
// of the others to it in place.
#include <algorithm>
#include <cstring>
#include <set>
#include <string_view>

#include "check_state.h"
#include "fitted_state.h"
#include "json.h"
#include "refuse_state.h"
#include "safetensors.h"
#include "state_layout.h"

namespace nacue {

namespace {

using VersionSet = std::set<std::string, std::less<>>;

constexpr std::string_view kVersionSeparator = ", ";

std::string Ordinal(size_t index, size_t count) {
  return "state " + std::to_string(index + 1) + " of " + std::to_string(count);
}

FittedState ReadPart(const std::vector<std::span<const uint8_t>>& states, size_t index) {
  try {
    return ReadState(states[index]);
  } catch (const Error& error) {
    throw Error(error.code(), Ordinal(index, states.size()) + ": " + error.what());
  }
}

std::string Shown(const std::string& text) {
  return "'" + Printable(text) + "'";
}
std::string Shown(int64_t number) {
  return JsonText(number);
}
std::string Shown(double number) {
  return JsonText(number);
}

template <typename Value>
void CheckSame(const std::string& what, const Value& a, const Value& b) {
  if (a != b) RefuseMismatch(what + " is " + Shown(b) + ", not " + Shown(a));
}

void CheckSameLayer(const StateLayer& a, const StateLayer& b) {
  CheckSame("the name of a layer", a.name, b.name);
  const std::string where = " of layer '" + Printable(a.name) + "'";
  CheckSame("m_bins" + where, a.m_bins, b.m_bins);
  CheckSame("the number of neurons" + where, a.neurons, b.neurons);
  CheckSame("alpha" + where, a.alpha, b.alpha);
  CheckSame("o_star" + where, a.o_star, b.o_star);
  CheckSame("reduce" + where, a.reduce, b.reduce);
  CheckSame("the weight" + where, a.weight, b.weight);
  if (!std::equal(a.edges.begin(), a.edges.end(), b.edges.begin(), b.edges.end())) {
    RefuseMismatch("the edges" + where + " differ");
  }
}

void CheckSameModel(const std::string& a, const std::string& b) {
  if (a.empty() != b.empty()) {
    RefuseMismatch("one says which model was fitted (model_sha256), the other does not; fit both from a model's file");
  }
  CheckSame("model_sha256", a, b);
}

// That `part` was fitted as `merged` was.
void CheckMergeable(const FittedState& merged, const FittedState& part) {
  CheckSame("preset", merged.preset, part.preset);
  CheckSame("binning", merged.binning, part.binning);
  CheckSame("aggregation", merged.aggregation, part.aggregation);
  CheckSame("mode", merged.mode, part.mode);
  CheckSame("precision", merged.precision, part.precision);
  CheckSame("the number of layers", static_cast<int64_t>(merged.layers.size()),
            static_cast<int64_t>(part.layers.size()));
  for (size_t layer = 0; layer < merged.layers.size(); ++layer) {
    CheckSameLayer(merged.layers[layer], part.layers[layer]);
  }
  if (merged.execution_order != part.execution_order) RefuseMismatch("the model ran the layers in another order");
  if (merged.output != part.output) RefuseMismatch("output differs");
  if (merged.input_shape && part.input_shape && merged.input_shape != part.input_shape) {
    RefuseMismatch("input_shape differs");
  }
  CheckSameModel(merged.model_sha256, part.model_sha256);
}

void AddVersions(std::string_view versions, VersionSet& set) {
  for (size_t end = versions.find(kVersionSeparator); end != std::string_view::npos;
       end = versions.find(kVersionSeparator)) {
    set.emplace(versions.substr(0, end));
    versions.remove_prefix(end + kVersionSeparator.size());
  }
  set.emplace(versions);
}

std::string Joined(const VersionSet& versions) {
  std::string joined;
  for (const std::string& version : versions) {
    if (!joined.empty()) joined += kVersionSeparator;
    joined += version;
  }
  return joined;
}

// The metadata of all, with the counts and edges of the first.
FittedState MergeOptions(const std::vector<FittedState>& parts) {
  FittedState merged = parts.front();
  merged.threshold.reset();
  merged.samples = 0;
  VersionSet libtorch_versions;
  VersionSet nacue_versions;
  for (size_t index = 0; index < parts.size(); ++index) {
    const FittedState& part = parts[index];
    try {
      CheckMergeable(merged, part);
    } catch (const Error& error) {
      throw Error(error.code(), Ordinal(index, parts.size()) + " does not fit those before it: " + error.what());
    }
    if (part.samples > kMaxSafeInteger - merged.samples) {
      RefuseInvalid("together the states have more than 2^53 - 1 samples");
    }
    merged.samples += part.samples;
    if (part.input_shape) merged.input_shape = part.input_shape;
    AddVersions(part.libtorch_version, libtorch_versions);
    AddVersions(part.nacue_version, nacue_versions);
  }
  merged.libtorch_version = Joined(libtorch_versions);
  merged.nacue_version = Joined(nacue_versions);
  return merged;
}

// No sum overflows: each is at most the sum of its row, which is the number of samples.
void AddCounts(uint8_t* sums, std::span<const uint8_t> counts) {
  for (size_t offset = 0; offset < counts.size(); offset += sizeof(int64_t)) {
    int64_t sum = 0;
    int64_t count = 0;
    std::memcpy(&sum, sums + offset, sizeof(sum));
    std::memcpy(&count, counts.data() + offset, sizeof(count));
    sum += count;
    std::memcpy(sums + offset, &sum, sizeof(sum));
  }
}

}  // namespace

std::vector<uint8_t> MergeStates(const std::vector<std::span<const uint8_t>>& states) {
  if (states.empty()) RefuseMismatch("there is nothing to merge");
  std::vector<FittedState> parts;
  for (size_t index = 0; index < states.size(); ++index) parts.push_back(ReadPart(states, index));
  std::vector<uint8_t> bytes = EncodeState(MergeOptions(parts));
  const Safetensors file = ReadSafetensors(bytes);
  for (size_t layer = 0; layer < parts.front().layers.size(); ++layer) {
    const auto place = file.tensors.at(CountsName(parts.front().layers[layer])).bytes;
    uint8_t* const sums = bytes.data() + (place.data() - bytes.data());
    for (size_t part = 1; part < parts.size(); ++part) AddCounts(sums, parts[part].layers[layer].counts);
  }
  return bytes;
}

}  // namespace nacue
