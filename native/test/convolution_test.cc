// Convolutions with weights in oneDNN's order against LibTorch's, forward and backward.
#include "core/convolution.h"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <limits>
#include <vector>

namespace nacue {

namespace {

struct Geometry {
  int64_t in, out;
  std::vector<int64_t> kernel, stride, padding, dilation;
  int64_t groups;
};

const std::vector<Geometry> kGeometries = {
    {3, 16, {7, 7}, {2, 2}, {3, 3}, {1, 1}, 1},   {16, 16, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 1},
    {16, 24, {1, 1}, {2, 2}, {0, 0}, {1, 1}, 1},  {8, 8, {3, 5}, {2, 1}, {1, 2}, {1, 1}, 8},
    {8, 16, {3, 3}, {3, 2}, {0, 1}, {2, 2}, 4},   {5, 7, {2, 3}, {3, 1}, {1, 0}, {1, 2}, 1},
    {32, 64, {3, 3}, {2, 2}, {1, 1}, {1, 1}, 32},
};

c10::intrusive_ptr<Convolution> Made(const Geometry& geometry, bool has_bias, at::ScalarType type = at::kFloat) {
  const at::Tensor weight =
      at::randn({geometry.out, geometry.in / geometry.groups, geometry.kernel[0], geometry.kernel[1]});
  return c10::make_intrusive<Convolution>(
      ConvolutionOptions{weight.to(type).contiguous(at::MemoryFormat::ChannelsLast),
                         has_bias ? std::optional(at::randn({geometry.out}).to(type)) : std::nullopt, geometry.stride,
                         geometry.padding, geometry.dilation, geometry.groups});
}

at::Tensor ByLibTorch(const at::Tensor& x, const Convolution& convolution) {
  const auto& [weight, bias, stride, padding, dilation, groups] = convolution.options();
  return at::conv2d(x, weight, bias, stride, padding, dilation, groups);
}

at::Tensor RandomImages(int64_t count, int64_t channels, int64_t height, int64_t width) {
  return at::randn({count, channels, height, width}).contiguous(at::MemoryFormat::ChannelsLast);
}

void ExpectClose(const at::Tensor& actual, const at::Tensor& expected, const std::string& what) {
  ASSERT_EQ(actual.sizes(), expected.sizes()) << what;
  EXPECT_EQ(actual.scalar_type(), expected.scalar_type()) << what;
  EXPECT_TRUE(at::allclose(actual, expected, /*rtol=*/1e-4, /*atol=*/1e-4, /*equal_nan=*/true)) << what;
}

TEST(Convolution, ComputesWhatLibTorchDoesAndItsGradients) {
  at::manual_seed(1);
  for (size_t i = 0; i < kGeometries.size(); ++i) {
    for (const bool has_bias : {false, true}) {
      const auto convolution = Made(kGeometries[i], has_bias);
      // Again and again with other shapes, more of them than are kept.
      for (const int64_t count : {1, 2, 16, 1, 3, 4, 5, 6, 7, 8, 9, 2}) {
        for (const bool is_added : {false, true}) {
          const std::string what = "geometry " + std::to_string(i) + ", batch " + std::to_string(count);
          const at::Tensor x = RandomImages(count, kGeometries[i].in, 11, 12).requires_grad_(true);
          at::Tensor expected = ByLibTorch(x, *convolution);
          const at::Tensor added = at::randn(expected.sizes()).requires_grad_(true);
          std::vector<at::Tensor> sources = {x};
          if (is_added) {
            expected = expected + added;
            sources.push_back(added);
          }
          const at::Tensor actual = convolution->Run(x, is_added ? std::optional(added) : std::nullopt);
          ExpectClose(actual, expected, what);
          const at::Tensor dy = at::randn(expected.sizes());
          const auto gradients = torch::autograd::grad({actual}, sources, {dy});
          const auto expected_gradients = torch::autograd::grad({expected}, sources, {dy});
          for (size_t j = 0; j < sources.size(); ++j) ExpectClose(gradients[j], expected_gradients[j], what);
        }
      }
    }
  }
}

TEST(Convolution, AsksForNoGradientThatNobodyWants) {
  const auto convolution = Made(kGeometries[1], /*has_bias=*/true);
  const at::Tensor x = RandomImages(2, 16, 8, 8);
  const at::Tensor added = RandomImages(2, 16, 8, 8);
  EXPECT_FALSE(convolution->Run(x, added).requires_grad());
  const at::Tensor source = added.clone().requires_grad_(true);
  const at::Tensor sum = convolution->Run(x, source).sum();
  EXPECT_TRUE(at::equal(torch::autograd::grad({sum}, {source})[0], at::ones_like(added)));
  const at::NoGradGuard no_gradients;
  EXPECT_FALSE(convolution->Run(x, source).requires_grad());
}

TEST(Convolution, KeepsValuesThatAreNoNumbers) {
  at::manual_seed(2);
  for (const Geometry& geometry : kGeometries) {
    const auto convolution = Made(geometry, /*has_bias=*/true);
    at::Tensor x = RandomImages(4, geometry.in, 11, 12);
    x[0].fill_(std::numeric_limits<float>::quiet_NaN());
    x[1].fill_(std::numeric_limits<float>::infinity());
    const at::Tensor expected = ByLibTorch(x, *convolution);
    const at::Tensor added = RandomImages(4, geometry.out, expected.size(2), expected.size(3));
    ExpectClose(convolution->Run(x, std::nullopt), expected, "alone");
    ExpectClose(convolution->Run(x, added), expected + added, "and added");
    at::Tensor y = RandomImages(4, geometry.in, 11, 12);
    const at::Tensor unknown = at::full_like(added, std::numeric_limits<float>::quiet_NaN());
    EXPECT_TRUE(convolution->Run(y, unknown).isnan().all().item<bool>());
  }
}

TEST(Convolution, LeavesTheRestToLibTorch) {
  at::manual_seed(3);
  const Geometry usual = kGeometries[1];
  const auto convolution = Made(usual, /*has_bias=*/true);
  const at::Tensor x = RandomImages(2, 16, 9, 9);
  const at::Tensor y = ByLibTorch(x, *convolution);
  // One image, planes one after the other, every other column.
  for (const at::Tensor& other : {x[0], x.contiguous(), at::cat({x, x}, 3).slice(3, 0, c10::nullopt, 2)})
    ExpectClose(convolution->Run(other, std::nullopt), ByLibTorch(other, *convolution), "layout");
  ExpectClose(convolution->Run(x.slice(0, 0, 0), std::nullopt), y.slice(0, 0, 0), "nothing");
  for (const at::Tensor& added : {at::randn({16, 1, 1}), at::randn({9}), at::randn({2, 16, 9, 9}).to(at::kDouble)})
    ExpectClose(convolution->Run(x, added), y + added, "added");
  EXPECT_THROW(convolution->Run(RandomImages(2, 15, 9, 9), std::nullopt), c10::Error);
  EXPECT_THROW(convolution->Run(x.to(at::kDouble), std::nullopt), c10::Error);
  EXPECT_THROW(convolution->Run(x, at::randn({2, 16, 8, 8})), c10::Error);
  // More padding than the transposed convolution can take away.
  Geometry wide = usual;
  wide.padding = {4, 4};
  const auto padded = Made(wide, /*has_bias=*/false);
  const at::Tensor source = RandomImages(2, 16, 9, 9).requires_grad_(true);
  const at::Tensor expected = ByLibTorch(source, *padded);
  const at::Tensor actual = padded->Run(source, std::nullopt);
  ExpectClose(actual, expected, "padding");
  ExpectClose(torch::autograd::grad({actual.sum()}, {source})[0], torch::autograd::grad({expected.sum()}, {source})[0],
              "padding, gradient");
}

TEST(Convolution, TakesOtherValuesIntoItsWeightsType) {
  at::manual_seed(4);
  const auto convolution = Made(kGeometries[1], /*has_bias=*/true, at::kBFloat16);
  const at::Tensor x = RandomImages(2, 16, 9, 9).requires_grad_(true);
  const at::Tensor actual = convolution->Run(x, std::nullopt);
  const at::Tensor expected = ByLibTorch(x.to(at::kBFloat16), *convolution);
  EXPECT_EQ(actual.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(at::allclose(actual, expected, /*rtol=*/0.02, /*atol=*/0.2));
  EXPECT_EQ(torch::autograd::grad({actual.sum()}, {x})[0].scalar_type(), at::kFloat);
}

}  // namespace

}  // namespace nacue
