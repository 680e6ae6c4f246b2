// See record_conversions.h.
#include "record_conversions.h"

#include <string>

#include "core/error.h"

namespace nacue {

namespace {

template <typename T, typename Array>
std::span<const T> ViewOf(const Napi::Value& value) {
  const auto values = value.As<Array>();
  return {values.Data(), values.ElementLength()};
}

std::vector<std::string> ToTexts(const Napi::Array& array) {
  std::vector<std::string> texts;
  texts.reserve(array.Length());
  for (uint32_t i = 0; i < array.Length(); ++i) texts.push_back(array.Get(i).ToString().Utf8Value());
  return texts;
}

decltype(TextColumn::values) ToValues(const Napi::Value& value) {
  if (value.IsArray()) return ToTexts(value.As<Napi::Array>());
  if (value.IsTypedArray()) {
    switch (value.As<Napi::TypedArray>().TypedArrayType()) {
      case napi_float32_array:
        return ViewOf<float, Napi::Float32Array>(value);
      case napi_float64_array:
        return ViewOf<double, Napi::Float64Array>(value);
      case napi_uint8_array:
        return ViewOf<uint8_t, Napi::Uint8Array>(value);
      default:
        break;
    }
  }
  throw Error("ERR_NACUE_INTERNAL", "the native addon got a column that is none");
}

}  // namespace

std::vector<TextColumn> ToTextColumns(const Napi::Value& value) {
  const auto array = value.As<Napi::Array>();
  std::vector<TextColumn> columns;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const auto column = array.Get(i).As<Napi::Object>();
    columns.push_back({ToValues(column.Get("values")), column.Get("width").ToNumber().Uint32Value(),
                       column.Get("before").ToString().Utf8Value(), column.Get("after").ToString().Utf8Value()});
  }
  return columns;
}

}  // namespace nacue
