// JavaScript values <-> the plain types of native/core, in pairs. JavaScript thread only.
//
// The facade (lib/) has validated types and ranges; what would be unsafe in C++ is checked here once more.
#pragma once

#include <napi.h>

#include "core/detector.h"

namespace nacue {

ModelSource ToModelSource(const Napi::Value& value);
DetectorOptions ToDetectorOptions(const Napi::Value& value);
std::optional<std::vector<int64_t>> ToOptionalShape(const Napi::Value& value);

// Copies into memory of the detector: the caller may reuse, transfer or detach its buffer at once.
Batch ToBatch(const Napi::Value& data, const Napi::Value& shape, const Detector& detector);

std::vector<int64_t> ToIntegers(const Napi::Value& value);
std::optional<StateThreshold> ToThreshold(const Napi::Value& value);

Napi::Value ToJs(Napi::Env env, const std::vector<float>& values);
Napi::Value ToJs(Napi::Env env, const std::vector<double>& values);
// Takes the bytes over.
Napi::Value ToJs(Napi::Env env, std::vector<uint8_t>&& bytes);
Napi::Value ToJs(Napi::Env env, const ScoreResult& result, size_t layers);
Napi::Value ToJs(Napi::Env env, const ContributionsResult& result);
Napi::Value ToJs(Napi::Env env, const CountsCopy& counts);
// What a state says of itself; counts and edges stay where they are.
Napi::Value ToJs(Napi::Env env, const FittedState& state);
Napi::Value ToJs(Napi::Env env, const DetectorStatus& status);
Napi::Value ToJs(Napi::Env env, const std::vector<ModuleReport>& reports);

}  // namespace nacue
