// See image_transform.h. torchvision 0.26: transforms/v2/functional/_geometry.py (resize_image, center_crop_image) and
// _misc.py (to_dtype_image, normalize_image).
#include "image_transform.h"

#include <ATen/ATen.h>
#include <ATen/Version.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "error.h"
#include "libtorch_error.h"
#include "process_settings.h"

namespace nacue {

namespace {

using ImageSize = std::array<int64_t, 2>;  // height, width

// Where Pillow refuses to read an image.
constexpr int64_t kMostPixels = 178'956'970;

// While the model runs on all cores, a second team of threads would only be in its way.
void UseOneThread() {
  thread_local const bool is_set = [] {
    SetThreads(1);
    return true;
  }();
  static_cast<void>(is_set);
}

// (1, C, H, W) over the pixels as they lie: channels last. The stride of the batch is what tells LibTorch so.
at::Tensor ViewOf(const ImageView& image) {
  const int64_t row = image.width * image.channels;
  return at::from_blob(const_cast<uint8_t*>(image.data), {1, image.channels, image.height, image.width},
                       {image.height * row, 1, row, image.channels}, at::kByte);
}

// _compute_resized_output_size: the longer side is cut off to a whole number, not rounded.
ImageSize ResizedSize(const ImageSize& size, const std::vector<int64_t>& wanted) {
  if (wanted.size() == 2) return {wanted[0], wanted[1]};
  const auto [height, width] = size;
  const int64_t shorter = std::min(height, width);
  const auto longer =
      static_cast<int64_t>(static_cast<double>(wanted[0] * std::max(height, width)) / static_cast<double>(shorter));
  return width <= height ? ImageSize{longer, wanted[0]} : ImageSize{wanted[0], longer};
}

at::Tensor Interpolated(const at::Tensor& image, const ImageSize& size, Interpolation interpolation, bool antialias) {
  switch (interpolation) {
    case Interpolation::kNearest:
      return at::upsample_nearest2d(image, size);
    case Interpolation::kNearestExact:
      return at::_upsample_nearest_exact2d(image, size);
    case Interpolation::kBilinear:
      return antialias ? at::_upsample_bilinear2d_aa(image, size, /*align_corners=*/false)
                       : at::upsample_bilinear2d(image, size, /*align_corners=*/false);
    case Interpolation::kBicubic:
      return antialias ? at::_upsample_bicubic2d_aa(image, size, /*align_corners=*/false)
                       : at::upsample_bicubic2d(image, size, /*align_corners=*/false);
  }
  throw Error("ERR_NACUE_INTERNAL", "an interpolation without a function");
}

// _do_native_uint8_resize_on_cpu: which kernel computes decides over the last level of 256.
bool InterpolatesBytes(Interpolation interpolation) {
  if (interpolation != Interpolation::kBilinear) return true;
  static const std::string capability = at::get_cpu_capability();
  return capability == "AVX2" || capability == "AVX512";
}

at::Tensor Resized(const at::Tensor& image, const ImageSize& size, const ImageTransform& transform) {
  if (image.size(2) == size[0] && image.size(3) == size[1]) return image;
  if (InterpolatesBytes(transform.interpolation))
    return Interpolated(image, size, transform.interpolation, transform.antialias);
  const at::Tensor floats = image.to(at::kFloat);
  return Interpolated(floats, size, transform.interpolation, transform.antialias).round_().to(at::kByte);
}

// Python's round(): halves to the even number.
int64_t CropStart(int64_t size, int64_t crop) {
  return static_cast<int64_t>(std::nearbyint(static_cast<double>(size - crop) / 2.0));
}

at::Tensor CenterCropped(at::Tensor image, const ImageSize& crop) {
  const int64_t missing_rows = std::max<int64_t>(crop[0] - image.size(2), 0);
  const int64_t missing_columns = std::max<int64_t>(crop[1] - image.size(3), 0);
  if (missing_rows > 0 || missing_columns > 0) {
    image = at::constant_pad_nd(
        image, {missing_columns / 2, (missing_columns + 1) / 2, missing_rows / 2, (missing_rows + 1) / 2});
  }
  return image.narrow(2, CropStart(image.size(2), crop[0]), crop[0])
      .narrow(3, CropStart(image.size(3), crop[1]), crop[1]);
}

// (C, 1, 1)
at::Tensor PerChannel(const std::vector<double>& values) {
  return at::tensor(values, at::kFloat).view({-1, 1, 1});
}

void CheckResized(const ImageView& image, const ImageSize& size) {
  if (static_cast<double>(size[0]) * static_cast<double>(size[1]) <= static_cast<double>(kMostPixels)) return;
  throw Error("ERR_NACUE_DATA", "resized, an image of " + std::to_string(image.width) + " x " +
                                    std::to_string(image.height) + " pixels would have " + std::to_string(size[1]) +
                                    " x " + std::to_string(size[0]));
}

at::Tensor Transformed(const ImageView& view, const ImageTransform& transform) {
  at::Tensor image = ViewOf(view);
  if (!transform.resize.empty()) {
    const ImageSize size = ResizedSize({view.height, view.width}, transform.resize);
    CheckResized(view, size);
    image = Resized(image, size, transform);
  }
  if (!transform.crop.empty()) image = CenterCropped(image, {transform.crop[0], transform.crop[1]});
  at::Tensor values =
      image.squeeze(0).to(at::kFloat, /*non_blocking=*/false, /*copy=*/true, at::MemoryFormat::Contiguous);
  values.mul_(1.0 / 255);
  if (!transform.mean.empty()) values.sub_(PerChannel(transform.mean));
  if (!transform.std.empty()) values.div_(PerChannel(transform.std));
  return values;
}

}  // namespace

TransformedImage TransformImage(const ImageView& image, const ImageTransform& transform) {
  UseOneThread();
  try {
    const at::Tensor values = Transformed(image, transform);
    const float* data = values.const_data_ptr<float>();
    return {{data, data + values.numel()}, values.sizes().vec()};
  } catch (const std::exception& failure) {
    throw TranslateLibTorchError("ERR_NACUE_INTERNAL",
                                 "an image of " + std::to_string(image.width) + " x " + std::to_string(image.height) +
                                     " pixels cannot be transformed",
                                 failure);
  }
}

Interpolation ToInterpolation(const std::string& name) {
  if (name == "nearest") return Interpolation::kNearest;
  if (name == "nearest-exact") return Interpolation::kNearestExact;
  if (name == "bilinear") return Interpolation::kBilinear;
  if (name == "bicubic") return Interpolation::kBicubic;
  throw Error("ERR_NACUE_INTERNAL", "an option has the unknown name '" + name + "'");
}

}  // namespace nacue
