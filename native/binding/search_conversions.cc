// See search_conversions.h.
#include "search_conversions.h"

#include <string>

#include "conversions.h"
#include "core/error.h"
#include "core/option_names.h"

namespace nacue {

namespace {

template <typename T, typename Convert>
std::vector<T> ToList(const Napi::Value& value, const Convert& convert) {
  const auto array = value.As<Napi::Array>();
  std::vector<T> list;
  for (uint32_t i = 0; i < array.Length(); ++i) list.push_back(convert(array.Get(i)));
  return list;
}

Metric ToMetric(const std::string& name) {
  if (name == "auroc") return Metric::kAuroc;
  if (name == "auprIn") return Metric::kAuprIn;
  if (name == "auprOut") return Metric::kAuprOut;
  if (name == "fpr95") return Metric::kFpr95;
  throw Error("ERR_NACUE_INTERNAL", "the native addon got an unknown metric");
}

LayerGrid ToLayerGrid(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  const auto number = [](const Napi::Value& item) { return item.ToNumber().DoubleValue(); };
  return {ToIntegers(object.Get("mBins")), ToList<double>(object.Get("alpha"), number),
          ToIntegers(object.Get("oStar"))};
}

Napi::Value ToJs(Napi::Env env, const RankedCandidate& ranked) {
  Napi::Array choice = Napi::Array::New(env, ranked.candidate.choice.size());
  for (uint32_t i = 0; i < ranked.candidate.choice.size(); ++i) choice.Set(i, ranked.candidate.choice[i]);
  Napi::Object object = Napi::Object::New(env);
  object.Set("binning", static_cast<double>(ranked.candidate.binning));
  object.Set("choice", choice);
  object.Set("value", ranked.value);
  object.Set("heldBack", ranked.held_back);
  return object;
}

}  // namespace

SearchOptions ToSearchOptions(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  const auto size = [&](const char* name) { return static_cast<size_t>(object.Get(name).ToNumber().Int64Value()); };
  SearchOptions options;
  options.layers = ToList<LayerGrid>(object.Get("layers"), ToLayerGrid);
  options.binnings = ToList<Binning>(object.Get("binnings"),
                                     [](const Napi::Value& item) { return ToBinning(item.ToString().Utf8Value()); });
  options.subsets = ToList<std::vector<bool>>(object.Get("subsets"), [](const Napi::Value& subset) {
    return ToList<bool>(subset, [](const Napi::Value& item) { return item.ToBoolean().Value(); });
  });
  options.metric = ToMetric(object.Get("metric").ToString().Utf8Value());
  options.held_back = object.Get("heldBack").ToNumber().DoubleValue();
  options.max_candidates = size("maxCandidates");
  options.ranking_length = size("rankingLength");
  options.ood_sets = size("oodSets");
  options.memory_limit = size("memoryLimit");
  options.folder = object.Get("folder").ToString().Utf8Value();
  return options;
}

SearchCandidate ToSearchCandidate(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  SearchCandidate candidate;
  candidate.binning = static_cast<size_t>(object.Get("binning").ToNumber().Int64Value());
  candidate.choice =
      ToList<int32_t>(object.Get("choice"), [](const Napi::Value& item) { return item.ToNumber().Int32Value(); });
  return candidate;
}

Napi::Value ToJs(Napi::Env env, const SearchResult& result) {
  Napi::Array ranking = Napi::Array::New(env, result.ranking.size());
  for (uint32_t i = 0; i < result.ranking.size(); ++i) ranking.Set(i, ToJs(env, result.ranking[i]));
  Napi::Object object = Napi::Object::New(env);
  object.Set("ranking", ranking);
  object.Set("own", ToJs(env, result.own));
  object.Set("scored", static_cast<double>(result.scored));
  object.Set("isExhaustive", result.is_exhaustive);
  object.Set("isOnDisk", result.is_on_disk);
  return object;
}

}  // namespace nacue
