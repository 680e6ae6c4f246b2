// The JavaScript class `Detector`: a core Detector on a task queue of its own.
//
// Rules:
//  1. The core Detector is built, used and destroyed on the queue's thread; only `counts`, `status` and the copy of a
//  batch read it from here.
//  2. While a task is outstanding the wrapper holds a reference to itself: garbage collection cannot drop queued work.
//  3. After `close` was called every other method throws ERR_NACUE_CLOSED.
#pragma once

#include <napi.h>

#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "core/detector.h"
#include "task_queue.h"

namespace nacue {

class DetectorWrap : public Napi::ObjectWrap<DetectorWrap> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit DetectorWrap(const Napi::CallbackInfo& info);

 private:
  // Shared with the tasks; `core` is written on the queue's thread before the task that wrote it settles.
  struct Held {
    std::shared_ptr<Detector> core;
  };

  Napi::Value JsLoad(const Napi::CallbackInfo& info);
  Napi::Value JsBeginFit(const Napi::CallbackInfo& info);
  Napi::Value JsFitBatch(const Napi::CallbackInfo& info);
  Napi::Value JsCommitFit(const Napi::CallbackInfo& info);
  Napi::Value JsAbortFit(const Napi::CallbackInfo& info);
  Napi::Value JsPredict(const Napi::CallbackInfo& info);
  Napi::Value JsScore(const Napi::CallbackInfo& info);
  Napi::Value JsContributions(const Napi::CallbackInfo& info);
  Napi::Value JsCoverage(const Napi::CallbackInfo& info);
  Napi::Value JsSetOStar(const Napi::CallbackInfo& info);
  Napi::Value JsState(const Napi::CallbackInfo& info);
  Napi::Value JsRestore(const Napi::CallbackInfo& info);
  // A search lives in this wrapper, under a number, from beginSearch to endSearch: detector_wrap_search.cc.
  Napi::Value JsBeginSearch(const Napi::CallbackInfo& info);
  Napi::Value JsCollect(const Napi::CallbackInfo& info);
  Napi::Value JsStepSearch(const Napi::CallbackInfo& info);
  Napi::Value JsSearchResult(const Napi::CallbackInfo& info);
  Napi::Value JsCandidateState(const Napi::CallbackInfo& info);
  Napi::Value JsEndSearch(const Napi::CallbackInfo& info);
  std::shared_ptr<Search> FindSearch(const Napi::Value& number) const;
  Napi::Value JsTo(const Napi::CallbackInfo& info);
  Napi::Value JsCounts(const Napi::CallbackInfo& info);
  Napi::Value JsStatus(const Napi::CallbackInfo& info);
  Napi::Value JsCancel(const Napi::CallbackInfo& info);
  Napi::Value JsClose(const Napi::CallbackInfo& info);

  void CheckOpen() const;
  Detector& Core() const;
  Napi::Value Submit(const Napi::Value& settle, std::function<void()> work,
                     std::function<Napi::Value(Napi::Env)> result);
  // A task that works on the core and settles with undefined.
  Napi::Value SubmitVoid(const Napi::Value& settle, std::function<void(Detector&)> work);
  // A task whose work gives what JavaScript gets.
  template <typename Result>
  Napi::Value SubmitResult(const Napi::Value& settle, std::function<Result(Detector&)> work,
                           std::function<Napi::Value(Napi::Env, Result&)> convert) {
    auto result = std::make_shared<Result>();
    return Submit(
        settle, [held = held_, work = std::move(work), result] { *result = work(*held->core); },
        [result, convert = std::move(convert)](Napi::Env env) { return convert(env, *result); });
  }

  std::shared_ptr<Held> held_ = std::make_shared<Held>();
  std::unique_ptr<TaskQueue> queue_;
  std::map<uint32_t, std::shared_ptr<Search>> searches_;
  uint32_t last_search_ = 0;
  bool loaded_ = false;
  bool closed_ = false;
};

}  // namespace nacue
