// The addon's entry point: one Environment per Node environment, and the exports typed in lib/addon/binding.ts.
#include <napi.h>

#include <functional>
#include <memory>
#include <utility>

#include "conversions.h"
#include "detector_wrap.h"
#include "environment.h"
#include "held_bytes.h"
#include "image_conversions.h"
#include "record_conversions.h"

namespace nacue {

namespace {

// Work that belongs to no detector.
template <typename Result>
Napi::Value SubmitTo(TaskQueue& queue, const Napi::Value& settle, std::function<Result()> work) {
  auto result = std::make_shared<Result>();
  auto task = std::make_unique<Task>();
  task->work = [work = std::move(work), result] { *result = work(); };
  task->result = [result](Napi::Env env) { return ToJs(env, *result); };
  task->released = [] {};
  task->settle = Napi::Persistent(settle.As<Napi::Function>());
  return Napi::Number::New(settle.Env(), queue.Submit(std::move(task)));
}

template <typename Result>
Napi::Value SubmitShared(const Napi::Value& settle, std::function<Result()> work) {
  return SubmitTo<Result>(Environment::Of(settle.Env())->SharedQueue(), settle, std::move(work));
}

Napi::Value JsInspect(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&] {
    auto model = std::make_shared<ModelSource>(ToModelSource(info[0]));
    const auto input_shape = ToOptionalShape(info[1]);
    return SubmitShared<std::vector<ModuleReport>>(info[2],
                                                   [model, input_shape] { return InspectModel(*model, input_shape); });
  });
}

Napi::Value JsReadState(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&] {
    const auto bytes = std::make_shared<HeldBytes>(info[0]);
    return SubmitShared<FittedState>(info[1], [bytes] { return ReadState(bytes->bytes()); });
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

Napi::Value JsTransformImage(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&] {
    const std::shared_ptr<HeldImage> image = ToImage(info[0], info[1]);
    const ImageTransform transform = ToImageTransform(info[2]);
    return SubmitTo<TransformedImage>(Environment::Of(info.Env())->ImageQueue(), info[3],
                                      [image, transform] { return TransformImage(image->view, transform); });
  });
}

Napi::Value JsRecordText(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&] {
    const NonFiniteText non_finite = info[2].ToBoolean() ? NonFiniteText::kNull : NonFiniteText::kName;
    const std::string text = RecordText(ToTextColumns(info[0]), info[1].ToString().Utf8Value(), non_finite);
    return Napi::Buffer<char>::Copy(info.Env(), text.data(), text.size());
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
  exports.Set("transformImage", Napi::Function::New<JsTransformImage>(env, "transformImage"));
  exports.Set("recordText", Napi::Function::New<JsRecordText>(env, "recordText"));
  exports.Set("libtorchVersion", Napi::Function::New<JsLibtorchVersion>(env, "libtorchVersion"));
  return exports;
}

}  // namespace

}  // namespace nacue

// lib/addon/binaries.ts reads this text from the file to tell which LibTorch it fits. No code refers to it.
__attribute__((used)) static const char kBuiltFor[] = "nacue built for LibTorch " NACUE_LIBTORCH_VERSION;

static Napi::Object NacueInitialise(Napi::Env env, Napi::Object exports) {
  return nacue::Initialise(env, exports);
}
NODE_API_MODULE(nacue, NacueInitialise)
