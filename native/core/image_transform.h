// Images to the input of a classifier: uint8 (H, W, C), as decoders give it, to float32 (C, h, w).
//
// The same operations on the same types as torchvision.transforms.v2 has on a uint8 tensor, in the order of its
// presets: Resize (which rounds to uint8), CenterCrop, ToDtype(float32, scale=True), Normalize. Any thread, which from
// then on computes without the help of others.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace nacue {

enum class Interpolation { kNearest, kNearestExact, kBilinear, kBicubic };

// Steps whose list is empty are left out.
struct ImageTransform {
  std::vector<int64_t> resize;  // of the shorter side, or height and width
  std::vector<int64_t> crop;    // height and width, from the centre; what is missing there is black
  std::vector<double> mean;     // per channel, of values in [0, 1]
  std::vector<double> std;
  Interpolation interpolation = Interpolation::kBilinear;
  bool antialias = true;  // of bilinear and bicubic
};

struct ImageView {
  const uint8_t* data;
  int64_t height;
  int64_t width;
  int64_t channels;
};

struct TransformedImage {
  std::vector<float> values;
  std::vector<int64_t> shape;  // (C, h, w)
};

// Throws ERR_NACUE_DATA when the resized image would be larger than any that is sensible: of a strip, the shorter side
// is a pixel.
TransformedImage TransformImage(const ImageView& image, const ImageTransform& transform);

Interpolation ToInterpolation(const std::string& name);

}  // namespace nacue
