// The search methods of DetectorWrap: the search itself belongs to the wrapper, its work to the detector's queue.
#include <utility>

#include "conversions.h"
#include "core/error.h"
#include "detector_wrap.h"
#include "search/search.h"
#include "search_conversions.h"

namespace nacue {

std::shared_ptr<Search> DetectorWrap::FindSearch(const Napi::Value& number) const {
  const auto found = searches_.find(number.ToNumber().Uint32Value());
  if (found == searches_.end()) throw Error("ERR_NACUE_INTERNAL", "the native addon got an unknown search");
  return found->second;
}

Napi::Value DetectorWrap::JsBeginSearch(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&] {
    Core();
    searches_[++last_search_] = std::make_shared<Search>(ToSearchOptions(info[1]), ToDetectorOptions(info[0]));
    return Napi::Number::New(info.Env(), last_search_);
  });
}

Napi::Value DetectorWrap::JsCollect(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&] {
    Core();
    const auto search = FindSearch(info[0]);
    const auto set = static_cast<size_t>(info[1].ToNumber().Int64Value());
    auto batch = std::make_shared<Batch>(ToBatch(info[2], info[3], Core()));
    return SubmitVoid(info[4], [search, set, batch](Detector& core) { core.Collect(*batch, *search, set); });
  });
}

Napi::Value DetectorWrap::JsStepSearch(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&] {
    Core();
    const auto search = FindSearch(info[0]);
    return SubmitResult<SearchProgress>(
        info[1], [search](Detector&) { return search->Step(); },
        [](Napi::Env env, SearchProgress& progress) {
          Napi::Object object = Napi::Object::New(env);
          object.Set("phase", progress.phase);
          object.Set("done", static_cast<double>(progress.done));
          object.Set("total", static_cast<double>(progress.total));
          object.Set("isDone", progress.is_done);
          return object;
        });
  });
}

Napi::Value DetectorWrap::JsSearchResult(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&] {
    const auto search = FindSearch(info[0]);
    return ToJs(info.Env(), SearchResult{search->ranking(), search->own(), search->scored(), search->is_exhaustive(),
                                         search->is_on_disk()});
  });
}

Napi::Value DetectorWrap::JsCandidateState(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&] {
    Core();
    const auto search = FindSearch(info[0]);
    const SearchCandidate candidate = ToSearchCandidate(info[1]);
    const std::string version = info[2].ToString();
    return SubmitResult<std::vector<uint8_t>>(
        info[3], [search, candidate, version](Detector& core) { return core.State(*search, candidate, version); },
        [](Napi::Env env, std::vector<uint8_t>& state) { return ToJs(env, std::move(state)); });
  });
}

Napi::Value DetectorWrap::JsEndSearch(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&] {
    // Freeing a gigabyte takes a while: the queue's thread does it, as long as there is one.
    const auto last = std::make_shared<std::shared_ptr<Search>>(FindSearch(info[0]));
    searches_.erase(info[0].ToNumber().Uint32Value());
    if (closed_) return info.Env().Undefined();
    return SubmitVoid(info[1], [last](Detector&) { last->reset(); });
  });
}

}  // namespace nacue
