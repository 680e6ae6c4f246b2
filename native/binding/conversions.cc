// See conversions.h.
#include "conversions.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "core/option_names.h"

namespace nacue {

namespace {

[[noreturn]] void ThrowInternal(const std::string& what) {
  throw Error("ERR_NACUE_INTERNAL", "the native addon got " + what);
}

Napi::Array ShapeToJs(Napi::Env env, const std::vector<int64_t>& shape) {
  Napi::Array array = Napi::Array::New(env, shape.size());
  for (uint32_t i = 0; i < shape.size(); ++i) array.Set(i, static_cast<double>(shape[i]));
  return array;
}

Napi::Object TensorToJs(Napi::Env env, const std::vector<float>& values, const std::vector<int64_t>& shape) {
  Napi::Object tensor = Napi::Object::New(env);
  tensor.Set("data", ToJs(env, values));
  tensor.Set("shape", ShapeToJs(env, shape));
  return tensor;
}

template <typename T, typename Convert>
Napi::Value OrNull(Napi::Env env, const std::optional<T>& value, const Convert& convert) {
  return value ? Napi::Value(convert(*value)) : env.Null();
}

template <typename T, typename Array>
Napi::Value TypedToJs(Napi::Env env, const std::vector<T>& values) {
  Array array = Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

Napi::Value ExplanationToJs(Napi::Env env, const LayerExplanation& explanation, int64_t batch_size) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("neurons", TypedToJs<int32_t, Napi::Int32Array>(env, explanation.neurons));
  object.Set("bins", TypedToJs<int32_t, Napi::Int32Array>(env, explanation.bins));
  object.Set("coverage", ToJs(env, explanation.coverage));
  object.Set("cost", ToJs(env, explanation.cost));
  object.Set("shape", ShapeToJs(env, {batch_size, explanation.neurons_per_sample}));
  return object;
}

Napi::Object PlanToJs(Napi::Env env, const ExecutionPlan& plan) {
  const auto number = [&](int64_t value) { return Napi::Number::New(env, static_cast<double>(value)); };
  Napi::Object object = Napi::Object::New(env);
  object.Set("mode", NameOf(plan.mode));
  object.Set("precision", NameOf(plan.precision));
  object.Set("channelsLast", plan.channels_last);
  object.Set("frozen", plan.frozen);
  object.Set("foldedBatchNorms", number(plan.folded_batch_norms));
  object.Set("chunkSize", OrNull(env, plan.chunk_size, number));
  return object;
}

Napi::Value OutputToJs(Napi::Env env, const OutputKey& output) {
  const auto* name = std::get_if<std::string>(&output);
  if (name != nullptr) return Napi::String::New(env, *name);
  return Napi::Number::New(env, static_cast<double>(std::get<int64_t>(output)));
}

LayerOptions ToLayerOptions(const Napi::Object& object) {
  LayerOptions layer;
  layer.name = object.Get("name").ToString().Utf8Value();
  layer.m_bins = object.Get("mBins").ToNumber().Int64Value();
  layer.alpha = object.Get("alpha").ToNumber().DoubleValue();
  layer.o_star = object.Get("oStar").ToNumber().Int64Value();
  layer.reduce = ToReduce(object.Get("reduce").ToString().Utf8Value());
  const Napi::Value module = object.Get("reduceModule");
  if (module.IsString()) layer.reduce_module = module.As<Napi::String>().Utf8Value();
  layer.weight = object.Get("weight").ToNumber().DoubleValue();
  return layer;
}

}  // namespace

ModelSource ToModelSource(const Napi::Value& value) {
  if (value.IsString()) return value.As<Napi::String>().Utf8Value();
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    ThrowInternal("a model that is neither a path nor a Uint8Array");
  }
  const auto bytes = value.As<Napi::Uint8Array>();
  return std::vector<uint8_t>(bytes.Data(), bytes.Data() + bytes.ElementLength());
}

std::vector<int64_t> ToIntegers(const Napi::Value& value) {
  const auto array = value.As<Napi::Array>();
  std::vector<int64_t> integers;
  for (uint32_t i = 0; i < array.Length(); ++i) integers.push_back(array.Get(i).ToNumber().Int64Value());
  return integers;
}

std::optional<std::vector<int64_t>> ToOptionalShape(const Napi::Value& value) {
  return value.IsArray() ? std::optional<std::vector<int64_t>>(ToIntegers(value)) : std::nullopt;
}

DetectorOptions ToDetectorOptions(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  DetectorOptions options;
  const auto layers = object.Get("layers").As<Napi::Array>();
  for (uint32_t i = 0; i < layers.Length(); ++i)
    options.layers.push_back(ToLayerOptions(layers.Get(i).As<Napi::Object>()));
  options.preset = ToPreset(object.Get("preset").ToString().Utf8Value());
  options.binning = ToBinning(object.Get("binning").ToString().Utf8Value());
  options.aggregation = ToAggregation(object.Get("aggregation").ToString().Utf8Value());
  options.mode = ToMode(object.Get("mode").ToString().Utf8Value());
  const Napi::Value precision = object.Get("precision");
  if (precision.IsString()) options.precision = ToPrecision(precision.As<Napi::String>().Utf8Value());
  options.chunk_size = object.Get("chunkSize").ToNumber().Int64Value();
  options.memory_limit = object.Get("memoryLimit").ToNumber().Int64Value();
  options.allow_mode_mismatch = object.Get("allowModeMismatch").ToBoolean().Value();
  options.device = object.Get("device").ToString().Utf8Value();
  options.num_threads = object.Get("numThreads").ToNumber().Int32Value();
  options.input_shape = ToOptionalShape(object.Get("inputShape"));
  const Napi::Value output = object.Get("output");
  if (output.IsString()) options.output = output.As<Napi::String>().Utf8Value();
  if (output.IsNumber()) options.output = output.As<Napi::Number>().Int64Value();
  options.reject_non_finite = object.Get("rejectNonFinite").ToBoolean().Value();
  const Napi::Value expected = object.Get("expectedSha256");
  if (expected.IsString()) options.expected_sha256 = expected.As<Napi::String>().Utf8Value();
  return options;
}

std::optional<StateThreshold> ToThreshold(const Napi::Value& value) {
  if (!value.IsObject()) return std::nullopt;
  const auto object = value.As<Napi::Object>();
  return StateThreshold{object.Get("value").ToNumber().DoubleValue(), object.Get("tpr").ToNumber().DoubleValue()};
}

Batch ToBatch(const Napi::Value& data, const Napi::Value& shape, const Detector& detector) {
  if (!data.IsTypedArray() || data.As<Napi::TypedArray>().TypedArrayType() != napi_float32_array) {
    ThrowInternal("a batch that is no Float32Array");
  }
  const auto values = data.As<Napi::Float32Array>();
  const auto allocate = [&](size_t bytes) { return detector.AllocateBatch(bytes); };
  Batch batch{HostBuffer(values.ElementLength(), allocate), ToIntegers(shape)};
  size_t product = 1;
  for (const int64_t size : batch.shape) {
    if (size < 0 || __builtin_mul_overflow(product, static_cast<size_t>(size), &product))
      ThrowInternal("an impossible shape");
  }
  if (batch.shape.empty() || product != batch.data.count()) ThrowInternal("a batch whose shape is not its length");
  if (product > 0) std::memcpy(batch.data.data(), values.Data(), product * sizeof(float));
  return batch;
}

Napi::Value ToJs(Napi::Env env, const std::vector<float>& values) {
  return TypedToJs<float, Napi::Float32Array>(env, values);
}

Napi::Value ToJs(Napi::Env env, const std::vector<double>& values) {
  return TypedToJs<double, Napi::Float64Array>(env, values);
}

Napi::Value ToJs(Napi::Env env, std::vector<uint8_t>&& bytes) {
  auto* const owned = new std::vector<uint8_t>(std::move(bytes));
  return Napi::Buffer<uint8_t>::NewOrCopy(
      env, owned->data(), owned->size(), [](Napi::BasicEnv, uint8_t*, std::vector<uint8_t>* hint) { delete hint; },
      owned);
}

Napi::Value ToJs(Napi::Env env, const ScoreResult& result, size_t layers) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("scores", ToJs(env, result.scores));
  object.Set("layerScores", TensorToJs(env, result.layer_scores, {static_cast<int64_t>(layers), result.batch_size}));
  object.Set("logits", TensorToJs(env, result.logits, {result.batch_size, result.classes}));
  Napi::Array explanations = Napi::Array::New(env, result.explanations.size());
  for (uint32_t i = 0; i < result.explanations.size(); ++i)
    explanations.Set(i, ExplanationToJs(env, result.explanations[i], result.batch_size));
  object.Set("explanations", explanations);
  return object;
}

Napi::Value ToJs(Napi::Env env, const ContributionsResult& result) {
  Napi::Array layers = Napi::Array::New(env, result.layers.size());
  for (uint32_t i = 0; i < result.layers.size(); ++i)
    layers.Set(i, TensorToJs(env, result.layers[i], {result.batch_size, result.neurons[i]}));
  return layers;
}

Napi::Value ToJs(Napi::Env env, const CountsCopy& counts) {
  Napi::BigInt64Array data = Napi::BigInt64Array::New(env, counts.data.size());
  std::copy(counts.data.begin(), counts.data.end(), data.Data());
  Napi::Object object = Napi::Object::New(env);
  object.Set("data", data);
  object.Set("shape", ShapeToJs(env, {counts.neurons, counts.m_bins}));
  return object;
}

Napi::Value ToJs(Napi::Env env, const FittedState& state) {
  const auto shape = [&](const std::vector<int64_t>& value) { return ShapeToJs(env, value); };
  const auto output = [&](const OutputKey& value) { return OutputToJs(env, value); };
  const auto number = [&](double value) { return Napi::Number::New(env, value); };
  Napi::Array layers = Napi::Array::New(env, state.layers.size());
  for (uint32_t i = 0; i < state.layers.size(); ++i) {
    const StateLayer& stored = state.layers[i];
    Napi::Object layer = Napi::Object::New(env);
    layer.Set("name", stored.name);
    layer.Set("mBins", number(static_cast<double>(stored.m_bins)));
    layer.Set("alpha", number(stored.alpha));
    layer.Set("oStar", number(static_cast<double>(stored.o_star)));
    layer.Set("reduce", stored.reduce);
    layer.Set("weight", number(stored.weight));
    layers.Set(i, layer);
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("preset", state.preset);
  object.Set("binning", state.binning);
  object.Set("aggregation", state.aggregation);
  object.Set("mode", state.mode);
  object.Set("precision", state.precision.empty() ? env.Null() : Napi::String::New(env, state.precision));
  object.Set("layers", layers);
  object.Set("inputShape", OrNull(env, state.input_shape, shape));
  object.Set("output", OrNull(env, state.output, output));
  object.Set("modelSha256", state.model_sha256);
  object.Set("threshold", OrNull(env, state.threshold, [&](const StateThreshold& value) {
               Napi::Object threshold = Napi::Object::New(env);
               threshold.Set("value", number(value.value));
               threshold.Set("tpr", number(value.tpr));
               return threshold;
             }));
  return object;
}

Napi::Value ToJs(Napi::Env env, const DetectorStatus& status) {
  const auto shape = [&](const std::vector<int64_t>& value) { return ShapeToJs(env, value); };
  const auto number = [&](int64_t value) { return Napi::Number::New(env, static_cast<double>(value)); };
  Napi::Array layers = Napi::Array::New(env, status.layers.size());
  for (uint32_t i = 0; i < status.layers.size(); ++i) {
    Napi::Object layer = Napi::Object::New(env);
    layer.Set("name", status.layers[i].name);
    layer.Set("neurons", OrNull(env, status.layers[i].neurons, number));
    layer.Set("outputShape", OrNull(env, status.layers[i].output_shape, shape));
    layers.Set(i, layer);
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("device", status.device);
  object.Set("layers", layers);
  object.Set("fitted", status.fitted);
  object.Set("samples", number(status.samples));
  object.Set("modelSha256", status.model_sha256);
  object.Set("plan", PlanToJs(env, status.plan));
  return object;
}

Napi::Value ToJs(Napi::Env env, const std::vector<ModuleReport>& reports) {
  const auto shape = [&](const std::vector<int64_t>& value) { return ShapeToJs(env, value); };
  const auto number = [&](int64_t value) { return Napi::Number::New(env, static_cast<double>(value)); };
  const auto text = [&](const std::string& value) { return Napi::String::New(env, value); };
  Napi::Array array = Napi::Array::New(env, reports.size());
  for (uint32_t i = 0; i < reports.size(); ++i) {
    Napi::Object report = Napi::Object::New(env);
    report.Set("path", reports[i].path);
    report.Set("type", reports[i].type);
    report.Set("calls", OrNull(env, reports[i].calls, number));
    report.Set("outputType", OrNull(env, reports[i].output_type, text));
    report.Set("outputShape", OrNull(env, reports[i].output_shape, shape));
    array.Set(i, report);
  }
  return array;
}

}  // namespace nacue
