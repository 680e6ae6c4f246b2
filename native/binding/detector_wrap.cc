// See detector_wrap.h for the rules. Every method body: check state, convert arguments, queue the work.
#include "detector_wrap.h"

#include <utility>

#include "conversions.h"
#include "core/error.h"
#include "environment.h"

namespace nacue {

Napi::Function DetectorWrap::Define(Napi::Env env) {
  return DefineClass(env, "Detector",
                     {
                         InstanceMethod<&DetectorWrap::JsLoad>("load"),
                         InstanceMethod<&DetectorWrap::JsBeginFit>("beginFit"),
                         InstanceMethod<&DetectorWrap::JsFitBatch>("fitBatch"),
                         InstanceMethod<&DetectorWrap::JsCommitFit>("commitFit"),
                         InstanceMethod<&DetectorWrap::JsAbortFit>("abortFit"),
                         InstanceMethod<&DetectorWrap::JsPredict>("predict"),
                         InstanceMethod<&DetectorWrap::JsScore>("score"),
                         InstanceMethod<&DetectorWrap::JsTo>("to"),
                         InstanceMethod<&DetectorWrap::JsCounts>("counts"),
                         InstanceMethod<&DetectorWrap::JsStatus>("status"),
                         InstanceMethod<&DetectorWrap::JsCancel>("cancel"),
                         InstanceMethod<&DetectorWrap::JsClose>("close"),
                     });
}

DetectorWrap::DetectorWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<DetectorWrap>(info) {
  queue_ = std::make_unique<TaskQueue>(Environment::Of(info.Env()), [held = held_] { held->core.reset(); });
}

void DetectorWrap::CheckOpen() const {
  if (closed_) throw Error("ERR_NACUE_CLOSED", "the detector was closed");
}

Detector& DetectorWrap::Core() const {
  CheckOpen();
  if (!loaded_) throw Error("ERR_NACUE_INTERNAL", "the native detector was used before load() settled");
  if (!held_->core) throw Error("ERR_NACUE_CLOSED", "the process is ending");
  return *held_->core;
}

Napi::Value DetectorWrap::Submit(const Napi::Value& settle, std::function<void()> work,
                                 std::function<Napi::Value(Napi::Env)> result) {
  CheckOpen();
  auto task = std::make_unique<Task>();
  task->work = std::move(work);
  task->result = std::move(result);
  task->released = [this] { Unref(); };
  task->settle = Napi::Persistent(settle.As<Napi::Function>());
  Ref();
  return Napi::Number::New(Env(), queue_->Submit(std::move(task)));
}

Napi::Value DetectorWrap::SubmitVoid(const Napi::Value& settle, std::function<void(Detector&)> work) {
  return Submit(
      settle, [held = held_, work = std::move(work)] { work(*held->core); },
      [](Napi::Env env) { return env.Undefined(); });
}

Napi::Value DetectorWrap::SubmitScore(const Napi::CallbackInfo& info, ScoreToJs convert) {
  return Guarded(info.Env(), [&] {
    const size_t layers = Core().CurrentStatus().layers.size();
    auto batch = std::make_shared<Batch>(ToBatch(info[0], info[1]));
    auto result = std::make_shared<ScoreResult>();
    return Submit(
        info[2], [held = held_, batch, result] { *result = held->core->Score(*batch); },
        [result, layers, convert](Napi::Env env) { return convert(env, *result, layers); });
  });
}

Napi::Value DetectorWrap::JsLoad(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&] {
    auto model = std::make_shared<ModelSource>(ToModelSource(info[0]));
    const DetectorOptions options = ToDetectorOptions(info[1]);
    return Submit(
        info[2],
        [held = held_, model, options] {
          held->core = std::make_shared<Detector>(*model, options);
          *model = {};
        },
        [this](Napi::Env env) {
          loaded_ = true;
          return env.Undefined();
        });
  });
}

Napi::Value DetectorWrap::JsBeginFit(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&] {
    Core();
    const bool from_zero = info[0].ToBoolean();
    return SubmitVoid(info[1], [from_zero](Detector& core) { core.BeginFit(from_zero); });
  });
}

Napi::Value DetectorWrap::JsFitBatch(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&] {
    Core();
    auto batch = std::make_shared<Batch>(ToBatch(info[0], info[1]));
    return SubmitVoid(info[2], [batch](Detector& core) { core.FitBatch(*batch); });
  });
}

Napi::Value DetectorWrap::JsCommitFit(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&] {
    Core();
    return SubmitVoid(info[0], [](Detector& core) { core.CommitFit(); });
  });
}

Napi::Value DetectorWrap::JsAbortFit(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&] {
    Core();
    return SubmitVoid(info[0], [](Detector& core) { core.AbortFit(); });
  });
}

Napi::Value DetectorWrap::JsPredict(const Napi::CallbackInfo& info) {
  return SubmitScore(info, [](Napi::Env env, const ScoreResult& result, size_t) { return ToJs(env, result.scores); });
}

Napi::Value DetectorWrap::JsScore(const Napi::CallbackInfo& info) {
  return SubmitScore(info, ToJs);
}

Napi::Value DetectorWrap::JsTo(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&] {
    Core();
    const std::string device = info[0].ToString();
    return SubmitVoid(info[1], [device](Detector& core) { core.MoveTo(device); });
  });
}

Napi::Value DetectorWrap::JsCounts(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&] { return ToJs(info.Env(), Core().CopyCounts(info[0].ToNumber().Uint32Value())); });
}

Napi::Value DetectorWrap::JsStatus(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&] { return ToJs(info.Env(), Core().CurrentStatus()); });
}

Napi::Value DetectorWrap::JsCancel(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(),
                 [&] { return Napi::Boolean::New(info.Env(), queue_->Cancel(info[0].ToNumber().Uint32Value())); });
}

Napi::Value DetectorWrap::JsClose(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&] {
    const Napi::Value ticket = Submit(
        info[0], [held = held_] { held->core.reset(); },
        [this](Napi::Env env) {
          queue_->Stop();
          return env.Undefined();
        });
    closed_ = true;
    return ticket;
  });
}

}  // namespace nacue
