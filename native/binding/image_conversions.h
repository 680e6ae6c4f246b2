// JavaScript values <-> the plain types of core/image_transform.h, in pairs. JavaScript thread only.
#pragma once

#include <napi.h>

#include <memory>

#include "core/image_transform.h"
#include "held_bytes.h"

namespace nacue {

// Pixels of JavaScript, and how they lie there.
struct HeldImage {
  HeldBytes bytes;
  ImageView view;
};

// Throws ERR_NACUE_INTERNAL when `shape`, (H, W, C), is not that of the bytes.
std::shared_ptr<HeldImage> ToImage(const Napi::Value& data, const Napi::Value& shape);
ImageTransform ToImageTransform(const Napi::Value& value);

Napi::Value ToJs(Napi::Env env, const TransformedImage& image);

}  // namespace nacue
