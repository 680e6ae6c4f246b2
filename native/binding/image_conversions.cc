// See image_conversions.h.
#include "image_conversions.h"

#include <algorithm>
#include <vector>

#include "conversions.h"
#include "core/error.h"

namespace nacue {

namespace {

std::vector<double> ToNumbers(const Napi::Value& value) {
  const auto array = value.As<Napi::Array>();
  std::vector<double> numbers;
  for (uint32_t i = 0; i < array.Length(); ++i) numbers.push_back(array.Get(i).ToNumber().DoubleValue());
  return numbers;
}

bool Fits(const std::vector<int64_t>& shape, size_t bytes) {
  size_t product = 1;
  for (const int64_t size : shape) {
    if (size <= 0 || __builtin_mul_overflow(product, static_cast<size_t>(size), &product)) return false;
  }
  return shape.size() == 3 && product == bytes;
}

}  // namespace

std::shared_ptr<HeldImage> ToImage(const Napi::Value& data, const Napi::Value& shape) {
  HeldBytes held(data);
  const std::vector<int64_t> sizes = ToIntegers(shape);
  const auto bytes = held.bytes();
  if (!Fits(sizes, bytes.size())) throw Error("ERR_NACUE_INTERNAL", "the native addon got an image of another size");
  return std::make_shared<HeldImage>(HeldImage{std::move(held), {bytes.data(), sizes[0], sizes[1], sizes[2]}});
}

ImageTransform ToImageTransform(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  ImageTransform transform;
  transform.resize = ToIntegers(object.Get("resize"));
  transform.crop = ToIntegers(object.Get("crop"));
  transform.mean = ToNumbers(object.Get("mean"));
  transform.std = ToNumbers(object.Get("std"));
  transform.interpolation = ToInterpolation(object.Get("interpolation").ToString().Utf8Value());
  transform.antialias = object.Get("antialias").ToBoolean();
  return transform;
}

Napi::Value ToJs(Napi::Env env, const TransformedImage& image) {
  Napi::Array shape = Napi::Array::New(env, image.shape.size());
  for (uint32_t i = 0; i < image.shape.size(); ++i) shape.Set(i, static_cast<double>(image.shape[i]));
  Napi::Object object = Napi::Object::New(env);
  object.Set("data", ToJs(env, image.values));
  object.Set("shape", shape);
  return object;
}

}  // namespace nacue
