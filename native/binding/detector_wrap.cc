// See detector_wrap.h for the rules. Every method body: check state, convert arguments, queue the work.
#include "detector_wrap.h"

#include <utility>

#include "conversions.h"
#include "core/error.h"
#include "environment.h"
#include "held_bytes.h"

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
                         InstanceMethod<&DetectorWrap::JsContributions>("contributions"),
                         InstanceMethod<&DetectorWrap::JsCoverage>("coverage"),
                         InstanceMethod<&DetectorWrap::JsSetOStar>("setOStar"),
                         InstanceMethod<&DetectorWrap::JsState>("state"),
                         InstanceMethod<&DetectorWrap::JsRestore>("restore"),
                         InstanceMethod<&DetectorWrap::JsBeginSearch>("beginSearch"),
                         InstanceMethod<&DetectorWrap::JsCollect>("collect"),
                         InstanceMethod<&DetectorWrap::JsStepSearch>("stepSearch"),
                         InstanceMethod<&DetectorWrap::JsSearchResult>("searchResult"),
                         InstanceMethod<&DetectorWrap::JsCandidateState>("candidateState"),
                         InstanceMethod<&DetectorWrap::JsEndSearch>("endSearch"),
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

Napi::Value DetectorWrap::JsLoad(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&] {
    auto model = std::make_shared<ModelSource>(ToModelSource(info[0]));
    const DetectorOptions options = ToDetectorOptions(info[1]);
    return Submit(
        info[2],
        [held = held_, model, options] {
          held->core = Detector::Load(*model, options);
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
    auto batch = std::make_shared<Batch>(ToBatch(info[0], info[1], Core()));
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
  return Guarded(info.Env(), [&] {
    auto batch = std::make_shared<Batch>(ToBatch(info[0], info[1], Core()));
    return SubmitResult<ScoreResult>(
        info[2], [batch](Detector& core) { return core.Score(*batch, /*explain=*/0); },
        [](Napi::Env env, ScoreResult& result) { return ToJs(env, result.scores); });
  });
}

Napi::Value DetectorWrap::JsScore(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&] {
    const size_t layers = Core().CurrentStatus().layers.size();
    auto batch = std::make_shared<Batch>(ToBatch(info[0], info[1], Core()));
    const int64_t explain = info[2].ToNumber().Int64Value();
    return SubmitResult<ScoreResult>(
        info[3], [batch, explain](Detector& core) { return core.Score(*batch, explain); },
        [layers](Napi::Env env, ScoreResult& result) { return ToJs(env, result, layers); });
  });
}

Napi::Value DetectorWrap::JsContributions(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&] {
    auto batch = std::make_shared<Batch>(ToBatch(info[0], info[1], Core()));
    return SubmitResult<ContributionsResult>(
        info[2], [batch](Detector& core) { return core.Contribute(*batch); },
        [](Napi::Env env, ContributionsResult& result) { return ToJs(env, result); });
  });
}

Napi::Value DetectorWrap::JsCoverage(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&] {
    Core();
    return SubmitResult<std::vector<double>>(
        info[0], [](Detector& core) { return core.Coverage(); },
        [](Napi::Env env, std::vector<double>& coverage) { return ToJs(env, coverage); });
  });
}

Napi::Value DetectorWrap::JsSetOStar(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&] {
    Core();
    const std::vector<int64_t> o_star = ToIntegers(info[0]);
    return SubmitVoid(info[1], [o_star](Detector& core) { core.SetOStar(o_star); });
  });
}

Napi::Value DetectorWrap::JsState(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&] {
    Core();
    const std::optional<StateThreshold> threshold = ToThreshold(info[0]);
    const std::string version = info[1].ToString();
    return SubmitResult<std::vector<uint8_t>>(
        info[2], [threshold, version](Detector& core) { return core.State(threshold, version); },
        [](Napi::Env env, std::vector<uint8_t>& state) { return ToJs(env, std::move(state)); });
  });
}

Napi::Value DetectorWrap::JsRestore(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&] {
    Core();
    const auto state = std::make_shared<HeldBytes>(info[0]);
    return SubmitVoid(info[1], [state](Detector& core) { core.Restore(state->bytes()); });
  });
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
