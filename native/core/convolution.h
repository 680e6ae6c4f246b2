// aten::conv2d of constant weights, with the addition that follows it, if one does: y = conv2d(x) + added. For fast
// mode on the CPU.
//
// oneDNN multiplies weights that lie in an order of its own. LibTorch brings them into it in every pass, forward and
// backward, which takes as long as the products where images are few and channels many; here they are kept in it.
//
// Activations are no part of it: those of oneDNN turn NaN into 0, and an input that cannot be judged would get a score.
#pragma once

#include <ATen/ATen.h>
#include <torch/custom_class.h>

#include <cstdint>
#include <list>
#include <optional>
#include <utility>
#include <vector>

namespace nacue {

// The arguments of aten::conv2d but its input.
struct ConvolutionOptions {
  at::Tensor weight;
  std::optional<at::Tensor> bias;
  std::vector<int64_t> stride;
  std::vector<int64_t> padding;
  std::vector<int64_t> dilation;
  int64_t groups = 1;
};

// One thread at a time.
class Convolution : public torch::CustomClassHolder {
 public:
  explicit Convolution(ConvolutionOptions options) : options_(std::move(options)) {}

  // LibTorch's operators run where they would not use oneDNN either, and add what has not the shape and dtype of the
  // result.
  at::Tensor Run(const at::Tensor& x, const std::optional<at::Tensor>& added);

  const ConvolutionOptions& options() const { return options_; }

 private:
  friend struct RecordedConvolution;

  // What is kept for inputs of one shape.
  struct ForShape {
    std::vector<int64_t> x_shape;
    std::optional<bool> is_for_onednn = {};
    at::Tensor weight = {};      // in oneDNN's order, which depends on the shape
    at::Tensor transposed = {};  // the same for the backward pass
  };

  ForShape& Find(at::IntArrayRef x_shape);
  bool IsForOneDnn(const at::Tensor& x);
  at::Tensor Forward(const at::Tensor& x, const std::optional<at::Tensor>& added);
  at::Tensor Backward(const at::Tensor& dy, at::IntArrayRef x_shape);
  // The newest is replaced by an equal one of another shape.
  void KeepOneOfEachOrder(at::Tensor ForShape::* weight);

  const ConvolutionOptions options_;
  std::list<ForShape> shapes_;  // the one used last comes first
};

}  // namespace nacue
