// See option_names.h. Any thread; no LibTorch.
#include "option_names.h"

#include <utility>

#include "error.h"

namespace nacue {

namespace {

template <typename Option>
using Names = std::initializer_list<std::pair<Option, const char*>>;

constexpr Names<Preset> kPresets = {{Preset::kPytorchOod, "pytorch-ood"}, {Preset::kOpenOod, "openood"}};
constexpr Names<Binning> kBinnings = {{Binning::kGeometric, "geometric"},
                                      {Binning::kUniform, "uniform"},
                                      {Binning::kLogit, "logit"},
                                      {Binning::kOpenOod, "openood"}};
constexpr Names<Aggregation> kAggregations = {{Aggregation::kSum, "sum"}, {Aggregation::kMean, "mean"}};
constexpr Names<Mode> kModes = {{Mode::kParity, "parity"}, {Mode::kFast, "fast"}};
constexpr Names<Precision> kPrecisions = {
    {Precision::kFloat32, "float32"}, {Precision::kTf32, "tf32"}, {Precision::kBfloat16, "bfloat16"}};
constexpr Names<Reduce> kReduces = {{Reduce::kAuto, "auto"},
                                    {Reduce::kMean, "mean"},
                                    {Reduce::kSum, "sum"},
                                    {Reduce::kMaxAbs, "max-abs"},
                                    {Reduce::kFlatten, "flatten"},
                                    {Reduce::kFirstToken, "first-token"},
                                    {Reduce::kMeanTokens, "mean-tokens"},
                                    {Reduce::kChannelsLast, "channels-last"},
                                    {Reduce::kModule, "module"}};

template <typename Option>
const char* Find(const Names<Option>& names, Option option) {
  for (const auto& [value, name] : names) {
    if (value == option) return name;
  }
  throw Error("ERR_NACUE_INTERNAL", "an option without a name");
}

template <typename Option>
Option Find(const Names<Option>& names, const std::string& wanted) {
  for (const auto& [value, name] : names) {
    if (wanted == name) return value;
  }
  throw Error("ERR_NACUE_INTERNAL", "an option has the unknown name '" + wanted + "'");
}

}  // namespace

const char* NameOf(Preset preset) {
  return Find(kPresets, preset);
}
const char* NameOf(Binning binning) {
  return Find(kBinnings, binning);
}
const char* NameOf(Aggregation aggregation) {
  return Find(kAggregations, aggregation);
}
const char* NameOf(Mode mode) {
  return Find(kModes, mode);
}
const char* NameOf(Precision precision) {
  return Find(kPrecisions, precision);
}
const char* NameOf(Reduce reduce) {
  return Find(kReduces, reduce);
}

Preset ToPreset(const std::string& name) {
  return Find(kPresets, name);
}
Binning ToBinning(const std::string& name) {
  return Find(kBinnings, name);
}
Aggregation ToAggregation(const std::string& name) {
  return Find(kAggregations, name);
}
Mode ToMode(const std::string& name) {
  return Find(kModes, name);
}
Precision ToPrecision(const std::string& name) {
  return Find(kPrecisions, name);
}
Reduce ToReduce(const std::string& name) {
  return Find(kReduces, name);
}

}  // namespace nacue
