// The addon's entry point: one Environment per Node environment, and the exports typed in lib/binding.ts.
#include <napi.h>

#include <memory>
#include <utility>

#include "conversions.h"
#include "detector_wrap.h"
#include "environment.h"
#include "held_bytes.h"

namespace nacue {

namespace {

Napi::Value JsInspect(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&] {
    auto model = std::make_shared<ModelSource>(ToModelSource(info[0]));
    const auto input_shape = ToOptionalShape(info[1]);
    auto reports = std::make_shared<std::vector<ModuleReport>>();
    auto task = std::make_unique<Task>();
    task->work = [model, input_shape, reports] { *reports = InspectModel(*model, input_shape); };
    task->result = [reports](Napi::Env env) { return ToJs(env, *reports); };
    task->released = [] {};
    task->settle = Napi::Persistent(info[2].As<Napi::Function>());
    return Napi::Number::New(info.Env(), Environment::Of(info.Env())->SharedQueue().Submit(std::move(task)));
  });
}

Napi::Value JsReadState(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&] {
    const auto bytes = std::make_shared<HeldBytes>(info[0]);
    auto state = std::make_shared<FittedState>();
    auto task = std::make_unique<Task>();
    task->work = [bytes, state] { *state = ReadState(bytes->bytes()); };
    task->result = [state](Napi::Env env) { return ToJs(env, *state); };
    task->released = [] {};
    task->settle = Napi::Persistent(info[1].As<Napi::Function>());
    return Napi::Number::New(info.Env(), Environment::Of(info.Env())->SharedQueue().Submit(std::move(task)));
  });
}

Napi::Value JsMergeStates(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&] {
    const auto array = info[0].As<Napi::Array>();
    std::vector<std::span<const uint8_t>> states;
    for (uint32_t i = 0; i < array.Length(); ++i) states.push_back(ViewBytes(array.Get(i)));
    return ToJs(info.Env(), MergeStates(states));
  });
}

Napi::Value JsLibtorchVersion(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), LibTorchVersion());
}

Napi::Object Initialise(Napi::Env env, Napi::Object exports) {
  Environment::Create(env);
  exports.Set("Detector", DetectorWrap::Define(env));
  exports.Set("inspect", Napi::Function::New<JsInspect>(env, "inspect"));
  exports.Set("readState", Napi::Function::New<JsReadState>(env, "readState"));
  exports.Set("mergeStates", Napi::Function::New<JsMergeStates>(env, "mergeStates"));
  exports.Set("libtorchVersion", Napi::Function::New<JsLibtorchVersion>(env, "libtorchVersion"));
  return exports;
}

}  // namespace

}  // namespace nacue

static Napi::Object NacueInitialise(Napi::Env env, Napi::Object exports) {
  return nacue::Initialise(env, exports);
}
NODE_API_MODULE(nacue, NacueInitialise)
