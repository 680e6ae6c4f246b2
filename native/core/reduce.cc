// Stage "reduce": what a layer put out, or its gradient, or their product (B, ...) -> (B, N).
//
// kAuto is the reference's: (a) _default_feature_reduce, (b) StatePooling of nac/utils.py. `kMean` and the like take
// dimension 1 for the neurons; where the features stand last (tokens, Swin's (B, H, W, C)) there are reduces of their
// own. Under preset (b) they sum where the names do not say otherwise, as all pooling there does.
#include "error.h"
#include "option_names.h"
#include "pipeline.h"
#include "tapped_model.h"

namespace nacue {

namespace {

// Dimensions from `first` to `last`, both included.
std::vector<int64_t> Dimensions(int64_t first, int64_t last) {
  std::vector<int64_t> dimensions;
  for (int64_t dimension = first; dimension <= last; ++dimension) dimensions.push_back(dimension);
  return dimensions;
}

at::Tensor AutoPytorchOod(const at::Tensor& value) {
  if (value.dim() == 2) return value;
  if (value.dim() == 4) return value.mean({2, 3});
  return value.flatten(1);
}

// The class token where ViT's final norm hands it to the head, sums elsewhere.
at::Tensor AutoOpenOod(const at::Tensor& value, const std::string& path) {
  if (value.dim() == 2) return value;
  if (value.dim() == 3) return path.ends_with("encoder.ln") ? value.select(1, 0) : value.sum({1});
  return value.sum(Dimensions(2, value.dim() - 1));
}

[[noreturn]] void ThrowShape(const std::string& layer, const std::string& reduce, const std::string& expected,
                             const at::Tensor& value) {
  throw Error("ERR_NACUE_LAYER_OUTPUT", "the reduce of layer '" + layer + "', " + reduce + ", takes " + expected +
                                            ", its output is " + ShapeText(value.sizes()));
}

}  // namespace

// A TorchScript module (B, ...) -> (B, N).
class Reducer::Module {
 public:
  explicit Module(const std::string& path) : path_(path) {
    try {
      LoadedModel loaded = LoadModel(path);
      sha256_ = std::move(loaded.sha256);
      model_ = std::make_unique<TappedModel>(std::move(loaded.module), std::vector<LayerAddress>());
    } catch (const Error& failure) {
      throw Error(failure.code(), "the reduce module '" + path + "': " + failure.what(), failure.detail());
    }
  }

  const std::string& sha256() const { return sha256_; }
  void MoveTo(c10::Device device) { model_->MoveTo(device); }

  at::Tensor Run(const std::string& layer, const at::Tensor& value) const {
    const auto context = [&] { return "the reduce module '" + path_ + "' of layer '" + layer + "'"; };
    c10::IValue output;
    try {
      output = model_->Run(value);
    } catch (const Error& failure) {
      throw Error("ERR_NACUE_LAYER_OUTPUT", context() + " failed: " + failure.what(), failure.detail());
    }
    const bool is_reduced = output.isTensor() && output.toTensor().defined() && output.toTensor().is_floating_point() &&
                            output.toTensor().dim() == 2 && output.toTensor().size(0) == value.size(0) &&
                            output.toTensor().size(1) > 0;
    if (is_reduced) return output.toTensor();
    throw Error("ERR_NACUE_LAYER_OUTPUT",
                context() + " must return a floating point tensor (B, N), it returned " +
                    (output.isTensor() ? TensorText(output.toTensor()) : "a " + output.tagKind()));
  }

 private:
  std::string path_;
  std::string sha256_;
  std::unique_ptr<TappedModel> model_;
};

Reducer::Reducer(const LayerOptions& layer, std::string path, Preset preset)
    : preset_(preset), reduce_(layer.reduce), layer_(layer.name), path_(std::move(path)), id_(NameOf(layer.reduce)) {
  if (reduce_ != Reduce::kModule) return;
  module_ = std::make_unique<Module>(layer.reduce_module);
  id_ += ":" + module_->sha256();
}

Reducer::~Reducer() = default;
Reducer::Reducer(Reducer&&) noexcept = default;

void Reducer::MoveTo(c10::Device device) {
  if (module_) module_->MoveTo(device);
}

at::Tensor Reducer::operator()(const at::Tensor& value) const {
  const auto require = [&](bool fits, const std::string& expected) {
    if (!fits) ThrowShape(layer_, NameOf(reduce_), expected, value);
  };
  const bool sums = preset_ == Preset::kOpenOod;
  const int64_t last = value.dim() - 1;
  switch (reduce_) {
    case Reduce::kAuto:
      return sums ? AutoOpenOod(value, path_) : AutoPytorchOod(value);
    case Reduce::kMean:
      return value.dim() == 2 ? value : value.mean(Dimensions(2, last));
    case Reduce::kSum:
      return value.dim() == 2 ? value : value.sum(Dimensions(2, last));
    case Reduce::kMaxAbs:
      return value.dim() == 2 ? value : value.abs().amax(Dimensions(2, last));
    case Reduce::kFlatten:
      return value.flatten(1);
    case Reduce::kFirstToken:
      require(value.dim() == 3, "tokens (B, T, C)");
      return value.select(1, 0);
    case Reduce::kMeanTokens:
      require(value.dim() == 3, "tokens (B, T, C)");
      return value.mean(1);
    case Reduce::kChannelsLast:
      if (value.dim() == 2) return value;
      return sums ? value.sum(Dimensions(1, last - 1)) : value.mean(Dimensions(1, last - 1));
    case Reduce::kModule:
      // It may work in place; z may share its memory with the output of another layer.
      return module_->Run(layer_, value.clone());
  }
  throw Error("ERR_NACUE_INTERNAL", "an unknown reduce");
}

}  // namespace nacue
