// The operators that stand in for LibTorch's against LibTorch's, bit for bit, and what of a graph they take along.
#include "core/fuse_operators.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/jit/ir/irparser.h>
#include <torch/csrc/jit/runtime/interpreter.h>

#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "core/batch_norm.h"
#include "core/graph_nodes.h"
#include "core/max_pool.h"
#include "core/tap_op.h"

namespace nacue {

namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// NaN is NaN, whatever its other bits.
bool SameBits(const at::Tensor& a, const at::Tensor& b) {
  if (a.scalar_type() != b.scalar_type() || a.sizes() != b.sizes() || a.strides() != b.strides()) return false;
  const at::ScalarType bits = a.scalar_type() == at::kBFloat16 ? at::kShort : at::kInt;
  const auto plain = [&](const at::Tensor& value) { return value.nan_to_num(12345).contiguous().view(bits); };
  return at::equal(plain(a), plain(b)) && at::equal(a.isnan(), b.isnan());
}

struct Pool {
  std::vector<int64_t> kernel, stride, padding;
  bool ceil_mode;
};

TEST(MaxPool2d, HasLibTorchsBitsAndLayoutWithoutIndices) {
  at::manual_seed(1);
  const std::vector<Pool> pools = {
      {{3, 3}, {2, 2}, {1, 1}, false}, {{2, 2}, {2, 2}, {0, 0}, false}, {{3, 3}, {2, 2}, {0, 0}, true},
      {{3, 2}, {1, 2}, {1, 0}, false}, {{5, 5}, {1, 1}, {2, 2}, false}, {{3, 3}, {3, 3}, {1, 1}, true},
      {{2, 2}, {}, {0, 0}, true},      {{3, 3}, {4, 3}, {1, 0}, false}, {{7, 1}, {2, 1}, {3, 0}, true},
  };
  const std::vector<std::vector<int64_t>> shapes = {{2, 3, 11, 13}, {1, 64, 56, 56}, {3, 5, 7, 7},
                                                    {1, 1, 7, 33},  {2, 17, 8, 20},  {4, 1, 7, 8}};
  for (const at::MemoryFormat layout : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
      for (const auto& shape : shapes) {
        at::Tensor input = at::randn(shape);
        input.view({-1}).slice(0, 0, c10::nullopt, 5).fill_(-0.0F);
        input.view({-1}).slice(0, 1, c10::nullopt, 7).fill_(0.0F);
        input.view({-1}).slice(0, 2, c10::nullopt, 31).fill_(kNaN);
        input.view({-1}).slice(0, 3, c10::nullopt, 29).fill_(-std::numeric_limits<float>::infinity());
        input = input.to(type).contiguous(layout);
        for (const Pool& pool : pools) {
          const at::Tensor expected =
              at::max_pool2d(input, pool.kernel, pool.stride, pool.padding, {1, 1}, pool.ceil_mode);
          const at::Tensor actual = MaxPool2d(input, pool.kernel, pool.stride, pool.padding, {1, 1}, pool.ceil_mode);
          EXPECT_TRUE(SameBits(actual, expected)) << input.sizes() << " " << type << " " << layout << " kernel "
                                                  << pool.kernel << " stride " << pool.stride;
        }
      }
    }
  }
}

TEST(MaxPool2d, LeavesTheRestToLibTorch) {
  const at::Tensor input = at::randn({2, 3, 9, 9});
  const auto pooled = [](const at::Tensor& value) {
    return std::pair(MaxPool2d(value, {3, 3}, {2, 2}, {1, 1}, {2, 2}, false),
                     at::max_pool2d(value, {3, 3}, {2, 2}, {1, 1}, {2, 2}, false));
  };
  for (const at::Tensor& value : {input, input[0], input.to(at::kDouble), input.transpose(2, 3)}) {
    const auto [actual, expected] = pooled(value);
    EXPECT_TRUE(at::equal(actual, expected));
  }
  EXPECT_THROW(MaxPool2d(input, {3, 3}, {2, 2}, {2, 2}, {1, 1}, false), c10::Error);
  EXPECT_THROW(MaxPool2d(input, {30, 30}, {2, 2}, {1, 1}, {1, 1}, false), c10::Error);
  EXPECT_THROW(MaxPool2d(input.to(at::kLong).unsqueeze(0).unsqueeze(0), {3, 3}, {2, 2}, {1, 1}, {1, 1}, false),
               c10::Error);
  const at::Tensor recorded = at::randn({2, 3, 9, 9}).requires_grad_(true);
  const at::Tensor sum = MaxPool2d(recorded, {3, 3}, {2, 2}, {1, 1}, {1, 1}, false).sum();
  EXPECT_EQ(torch::autograd::grad({sum}, {recorded})[0].sum().item<float>(), static_cast<float>(2 * 3 * 5 * 5));
}

BatchNorm RandomNorm(const std::vector<int64_t>& shape, bool is_affine, bool is_added, Activation activation) {
  const int64_t channels = shape[1];
  BatchNorm norm;
  norm.x = at::randn(shape) * 3;
  if (is_affine) {
    norm.weight = at::randn({channels}).requires_grad_(true);
    norm.bias = at::randn({channels}).requires_grad_(true);
  }
  norm.running_mean = at::randn({channels});
  norm.running_var = at::rand({channels}) + 0.01;
  norm.momentum = 0.1;
  norm.eps = 1e-3;
  if (is_added) norm.added = at::randn(shape);
  norm.activation = activation;
  return norm;
}

at::Tensor ByLibTorch(const BatchNorm& norm) {
  at::Tensor y = at::batch_norm(norm.x, norm.weight, norm.bias, norm.running_mean, norm.running_var, norm.training,
                                norm.momentum, norm.eps, /*cudnn_enabled=*/true);
  if (norm.added) y = y + *norm.added;
  if (norm.activation == Activation::kRelu) return at::relu(y);
  if (norm.activation == Activation::kRelu6) return at::hardtanh(y, 0, 6);
  if (norm.activation == Activation::kHardswish) return at::hardswish(y);
  return y;
}

const std::vector<Activation> kActivations = {Activation::kNone, Activation::kRelu, Activation::kRelu6,
                                              Activation::kHardswish};

TEST(RunBatchNorm, HasLibTorchsBitsForwardAndBackward) {
  at::manual_seed(2);
  const std::vector<std::vector<int64_t>> shapes = {
      {2, 3, 8, 8}, {3, 7, 5, 3}, {1, 16, 1, 1}, {2, 4, 33}, {4, 40, 7, 7}};
  for (const auto& shape : shapes) {
    for (const Activation activation : kActivations) {
      for (const bool is_affine : {true, false}) {
        for (const bool is_added : {false, true}) {
          for (const bool is_expanded : {false, true}) {
            BatchNorm norm = RandomNorm(shape, is_affine, is_added, activation);
            std::vector<at::Tensor> sources = {norm.x.requires_grad_(true)};
            if (is_added) sources.push_back(norm.added->requires_grad_(true));
            const at::Tensor dy = is_expanded ? at::randn({shape[0], shape[1]})
                                                    .reshape({shape[0], shape[1], 1})
                                                    .expand({shape[0], shape[1], norm.x[0][0].numel()})
                                                    .view(shape)
                                              : at::randn(shape);
            const at::Tensor expected = ByLibTorch(norm);
            const auto expected_gradients = torch::autograd::grad({expected}, sources, {dy});
            const at::Tensor actual = RunBatchNorm(norm);
            const auto gradients = torch::autograd::grad({actual}, sources, {dy});
            const auto what = testing::Message() << norm.x.sizes() << " activation " << static_cast<int>(activation);
            EXPECT_TRUE(SameBits(actual.detach(), expected.detach())) << what;
            for (size_t i = 0; i < sources.size(); ++i)
              EXPECT_TRUE(SameBits(gradients[i].contiguous(), expected_gradients[i].contiguous())) << what << " " << i;
          }
        }
      }
    }
  }
}

TEST(RunBatchNorm, HasItsKernelsTriedAgainstLibTorchs) {
  if (at::get_cpu_capability() == "DEFAULT") GTEST_SKIP() << "no fused multiply-add here";
  for (const Activation activation : kActivations)
    EXPECT_TRUE(HasBitsOfLibTorch(activation)) << static_cast<int>(activation);
}

TEST(RunBatchNorm, LeavesTheRestToLibTorch) {
  at::manual_seed(3);
  std::vector<BatchNorm> norms;
  for (int i = 0; i < 6; ++i) norms.push_back(RandomNorm({4, 6, 5, 5}, /*is_affine=*/true, false, Activation::kRelu));
  norms[0].training = true;
  norms[1].x = norms[1].x.contiguous(at::MemoryFormat::ChannelsLast);
  norms[2].x = at::randn({8, 6});
  norms[3].added = at::randn({6, 1, 1});
  norms[4].x = at::randn({4, 6, 5, 10}).slice(3, 0, c10::nullopt, 2);
  norms[5].running_mean = at::randn({12}).slice(0, 0, c10::nullopt, 2);
  for (const BatchNorm& norm : norms) {
    const at::Tensor mean = norm.running_mean->clone();
    const at::Tensor var = norm.running_var->clone();
    const at::Tensor actual = RunBatchNorm(norm);
    norm.running_mean->copy_(mean);
    norm.running_var->copy_(var);
    EXPECT_TRUE(SameBits(actual.detach(), ByLibTorch(norm).detach()));
  }
}

TEST(RunBatchNorm, KeepsItsInputOnlyWhereTheGradientNeedsIt) {
  for (const Activation activation : kActivations) {
    const at::Tensor source = at::randn({2, 3, 8, 8}).requires_grad_(true);
    BatchNorm norm = RandomNorm({2, 3, 8, 8}, /*is_affine=*/true, false, activation);
    norm.x = source.mul(2);
    const auto input = norm.x.storage().getWeakStorageImpl();
    const at::Tensor y = RunBatchNorm(norm);
    norm.x.reset();
    EXPECT_EQ(input.expired(), activation != Activation::kHardswish);
    EXPECT_TRUE(torch::autograd::grad({y.sum()}, {source})[0].defined());
  }
}

std::shared_ptr<torch::jit::Graph> Parse(const std::string& body) {
  const auto graph = std::make_shared<torch::jit::Graph>();
  torch::jit::parseIR(R"IR(
graph(%x : Tensor, %other : Tensor, %weight : Tensor, %bias : Tensor, %mean : Tensor, %var : Tensor):
  %no : bool = prim::Constant[value=0]()
  %one : int = prim::Constant[value=1]()
  %two : int = prim::Constant[value=2]()
  %momentum : float = prim::Constant[value=0.1]()
  %eps : float = prim::Constant[value=1e-05]()
  %none : NoneType = prim::Constant()
  %ones : int[] = prim::ListConstruct(%one, %one)
  %twos : int[] = prim::ListConstruct(%two, %two)
)IR" + body,
                      graph.get());
  return graph;
}

// Which kinds are left, the fused ones by their own names.
std::string KindsOf(torch::jit::Graph& graph) {
  std::string kinds;
  ForEachNode(graph.block(), [&](const torch::jit::Node* node, bool) {
    const std::string kind = node->kind().toQualString();
    if (node->kind() == RegisteredTapSymbols().batch_norm)
      kinds += " fused";
    else if (node->kind() == RegisteredTapSymbols().convolution)
      kinds += " packed";
    else if (node->kind() == RegisteredTapSymbols().max_pool2d)
      kinds += " pool";
    else if (kind.starts_with("aten::"))
      kinds += " " + kind.substr(6);
  });
  return kinds;
}

const std::string kConvolution = "  %c : Tensor = aten::conv2d(%x, %weight, %none, %ones, %ones, %ones, %one)\n";
const std::string kNorm =
    "  %n : Tensor = aten::batch_norm(%c, %bias, %bias, %mean, %var, %no, %momentum, %eps, %no)\n";

TEST(FuseOperators, TakesAlongWhatNobodyElseSees) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {kConvolution + kNorm + "  return (%n)\n", " conv2d fused"},
      {kConvolution + kNorm + "  %r : Tensor = aten::relu_(%n)\n  return (%r)\n", " conv2d fused"},
      {kConvolution + kNorm +
           "  %s : Tensor = aten::add_(%n, %other, %one)\n  %r : Tensor = aten::relu(%s)\n"
           "  return (%r)\n",
       " conv2d fused"},
      // Another branch runs between the two; it cannot change the convolution's result.
      {kConvolution + kNorm +
           "  %o : Tensor = aten::relu_(%other)\n  %s : Tensor = aten::add_(%n, %o, %one)\n"
           "  %r : Tensor = aten::relu6_(%s)\n  return (%r)\n",
       " conv2d relu_ fused"},
      // Twice the other one; the sum is not taken along alone.
      {kConvolution + kNorm +
           "  %s : Tensor = aten::add(%n, %other, %two)\n  %r : Tensor = aten::relu(%s)\n"
           "  return (%r)\n",
       " conv2d fused add relu"},
      {kConvolution + kNorm + "  %s : Tensor = aten::add(%n, %other, %one)\n  return (%s)\n", " conv2d fused add"},
      // Something else sees the result before the activation.
      {kConvolution + kNorm +
           "  %r : Tensor = aten::relu_(%n)\n  %t : Tensor = aten::add(%r, %n, %one)\n"
           "  return (%t)\n",
       " conv2d fused relu_ add"},
      // What is added may be changed before the activation reads it.
      {kConvolution + kNorm +
           "  %s : Tensor = aten::add_(%n, %other, %one)\n  %o : Tensor = aten::relu_(%other)\n"
           "  %r : Tensor = aten::relu_(%s)\n  return (%r)\n",
       " conv2d fused add_ relu_ relu_"},
      // x is nobody's in particular, and something runs between.
      {"  %n : Tensor = aten::batch_norm(%x, %bias, %bias, %mean, %var, %no, %momentum, %eps, %no)\n"
       "  %o : Tensor = aten::relu_(%x)\n  %r : Tensor = aten::relu_(%n)\n  return (%r)\n",
       " fused relu_ relu_"},
      {"  %p : Tensor = aten::max_pool2d(%x, %twos, %twos, %ones, %ones, %no)\n  return (%p)\n", " pool"},
  };
  for (const auto& [body, expected] : cases) {
    const auto graph = Parse(body);
    FuseOperators(*graph, Mode::kParity);
    EXPECT_EQ(KindsOf(*graph), expected) << body;
  }
}

TEST(FuseOperators, KeepsWhatTheGraphComputes) {
  at::manual_seed(4);
  const std::string body = kConvolution + kNorm +
                           "  %o : Tensor = aten::relu_(%other)\n  %s : Tensor = aten::add_(%n, %o, %one)\n"
                           "  %r : Tensor = aten::relu_(%s)\n"
                           "  %p : Tensor = aten::max_pool2d(%r, %twos, %twos, %ones, %ones, %no)\n  return (%p)\n";
  const auto run = [&](bool is_fused) {
    at::manual_seed(5);
    const auto graph = Parse(body);
    if (is_fused) FuseOperators(*graph, Mode::kParity);
    torch::jit::Stack stack = {at::randn({2, 3, 9, 9}), at::randn({2, 4, 9, 9}), at::randn({4, 3, 3, 3}),
                               at::randn({4}),          at::randn({4}),          at::rand({4})};
    torch::jit::InterpreterState(torch::jit::Code(graph, "")).run(stack);
    return stack.back().toTensor();
  };
  EXPECT_TRUE(SameBits(run(true), run(false)));
}

TEST(FuseOperators, AddsTheResultOfAnotherChain) {
  const std::string norm = " : Tensor = aten::batch_norm(%x, %bias, %bias, %mean, %var, %no, %momentum, %eps, %no)\n";
  const std::string body = "  %n" + norm + "  %a : Tensor = aten::relu_(%n)\n  %m" + norm +
                           "  %s : Tensor = aten::add_(%m, %a, %one)\n  %r : Tensor = aten::relu_(%s)\n  return (%r)\n";
  const auto run = [&](bool is_fused) {
    at::manual_seed(8);
    const auto graph = Parse(body);
    if (is_fused) {
      FuseOperators(*graph, Mode::kParity);
      graph->lint();
      EXPECT_EQ(KindsOf(*graph), " fused fused");
    }
    torch::jit::Stack stack = {at::randn({2, 4, 9, 9}), at::Tensor(),   at::Tensor(),
                               at::randn({4}),          at::randn({4}), at::rand({4})};
    torch::jit::InterpreterState(torch::jit::Code(graph, "")).run(stack);
    return stack.back().toTensor();
  };
  EXPECT_TRUE(SameBits(run(true), run(false)));
}

TEST(FuseOperators, LeavesARelu6AloneWhoseResultMayBeChanged) {
  const std::string until = kConvolution + kNorm + "  %r : Tensor = aten::relu6(%n)\n";
  const auto kinds_of = [](const std::string& body) {
    const auto graph = Parse(body);
    FuseOperators(*graph, Mode::kParity);
    return KindsOf(*graph);
  };
  EXPECT_EQ(kinds_of(until + "  return (%r)\n"), " conv2d fused");
  EXPECT_EQ(kinds_of(until + "  %s : Tensor = aten::add_(%r, %other, %one)\n  return (%s)\n"),
            " conv2d fused relu6 add_");
  EXPECT_EQ(kinds_of(until + "  %v : Tensor = aten::view(%r, %ones)\n  %s : Tensor = aten::add_(%v, %other, %one)\n"
                             "  return (%r)\n"),
            " conv2d fused relu6 view add_");
}

TEST(FuseOperators, RecordsABatchNormWhereTheModelDoes) {
  const auto graph = Parse(kConvolution + kNorm + "  %r : Tensor = aten::relu(%n)\n  return (%r)\n");
  torch::jit::Node* relu = nullptr;
  torch::jit::Value* no = nullptr;
  ForEachNode(graph->block(), [&](torch::jit::Node* node, bool) {
    if (node->kind() == c10::aten::relu) relu = node;
    if (node->output()->type() == c10::BoolType::get()) no = node->output();
  });
  torch::jit::Node* const off = graph->create(RegisteredTapSymbols().set_grad_enabled, {no}, /*num_outputs=*/0);
  off->insertBefore(relu);
  FuseOperators(*graph, Mode::kParity);
  EXPECT_EQ(KindsOf(*graph), " conv2d fused relu");
}

// The arguments of a graph as constants, as they are in fast mode.
std::shared_ptr<torch::jit::Graph> ParseFrozen(const std::string& body) {
  const auto graph = Parse(body);
  const torch::jit::WithInsertPoint here(graph->block()->nodes().front());
  at::manual_seed(6);
  const at::Tensor weight = at::randn({4, 3, 3, 3}).contiguous(at::MemoryFormat::ChannelsLast);
  const std::vector<int64_t> ones = {1, 1};
  graph->inputs()[2]->replaceAllUsesWith(graph->insertConstant(weight));
  ForEachNode(graph->block(), [&](torch::jit::Node* node, bool) {
    if (node->kind() != c10::prim::ListConstruct || node->inputs()[0] != node->inputs()[1]) return;
    const int64_t number = torch::jit::toIValue(node->inputs()[0])->toInt();
    node->output()->replaceAllUsesWith(graph->insertConstant(std::vector<int64_t>{number, number}));
  });
  return graph;
}

TEST(FuseOperators, TakesConvolutionsOfConstantsInFastMode) {
  const std::string convolution =
      "  %u : Tensor = aten::relu(%x)\n" +
      std::string("  %c : Tensor = aten::conv2d(%u, %weight, %none, %ones, %ones, %ones, %one)\n");
  const std::vector<std::pair<std::string, std::string>> cases = {
      {convolution + "  %r : Tensor = aten::relu_(%c)\n  return (%r)\n", " relu packed relu_"},
      {convolution + "  %s : Tensor = aten::add_(%c, %other, %one)\n  return (%s)\n", " relu packed"},
      {convolution + "  %s : Tensor = aten::add(%other, %c, %one)\n  return (%s)\n", " relu packed"},
      // It is the other one that is changed.
      {convolution + "  %s : Tensor = aten::add_(%other, %c, %one)\n  return (%other)\n", " relu packed add_"},
      {convolution + "  %s : Tensor = aten::add(%c, %other, %two)\n  return (%s)\n", " relu packed add"},
      {convolution + "  %s : Tensor = aten::add(%c, %c, %one)\n  return (%s)\n", " relu packed add"},
      // A batch norm that was not folded.
      {convolution + "  %n : Tensor = aten::batch_norm(%c, %bias, %bias, %mean, %var, %no, %momentum, %eps, %no)\n"
                     "  return (%n)\n",
       " relu packed batch_norm"},
      // Weights that are no constants.
      {"  %c : Tensor = aten::conv2d(%x, %other, %none, %ones, %ones, %ones, %one)\n  return (%c)\n", " conv2d"},
      // The other operand is made between the two, which changes nothing that the convolution reads, or does.
      {convolution + "  %o : Tensor = aten::relu_(%other)\n  %s : Tensor = aten::add_(%c, %o, %one)\n  return (%s)\n",
       " relu packed relu_ add_"},
      {"  %d : Tensor = aten::conv2d(%x, %weight, %none, %ones, %ones, %ones, %one)\n"
       "  %u : Tensor = aten::relu_(%d)\n"
       "  %c : Tensor = aten::conv2d(%u, %weight, %none, %ones, %ones, %ones, %one)\n"
       "  %o : Tensor = aten::relu_(%other)\n  %s : Tensor = aten::add_(%c, %o, %one)\n  return (%s)\n",
       " packed relu_ relu_ packed"},
      // Both operands are convolutions: the second has the first added.
      {convolution + "  %d : Tensor = aten::conv2d(%x, %weight, %none, %ones, %ones, %ones, %one)\n"
                     "  %s : Tensor = aten::add(%d, %c, %one)\n  return (%s)\n",
       " relu packed packed"},
      {"  %p : Tensor = aten::conv2d(%x, %weight, %none, %ones, %ones, %ones, %one)\n"
       "  %u : Tensor = aten::relu_(%p)\n"
       "  %c : Tensor = aten::conv2d(%u, %weight, %none, %ones, %ones, %ones, %one)\n"
       "  %q : Tensor = aten::conv2d(%x, %weight, %none, %ones, %ones, %ones, %one)\n"
       "  %v : Tensor = aten::relu_(%q)\n"
       "  %d : Tensor = aten::conv2d(%v, %weight, %none, %ones, %ones, %ones, %one)\n"
       "  %s : Tensor = aten::add(%d, %c, %one)\n  return (%s)\n",
       " packed relu_ packed relu_ packed packed"},
      {"  %c : Tensor = aten::_convolution(%x, %weight, %none, %ones, %ones, %ones, %no, %ones, %one, %no, %no, %no, "
       "%no)\n"
       "  return (%c)\n",
       " packed"},
  };
  for (const auto& [body, expected] : cases) {
    const auto graph = ParseFrozen(body);
    FuseOperators(*graph, Mode::kFast);
    graph->lint();
    EXPECT_EQ(KindsOf(*graph), expected) << body;
    const auto parity = ParseFrozen(body);
    FuseOperators(*parity, Mode::kParity);
    EXPECT_EQ(KindsOf(*parity).find("packed"), std::string::npos) << body;
  }
}

TEST(FuseOperators, GivesEachConvolutionItsOwnWeights) {
  const std::string body =
      "  %c : Tensor = aten::conv2d(%x, %weight, %none, %ones, %ones, %ones, %one)\n"
      "  %d : Tensor = aten::conv2d(%x, %weight, %none, %twos, %ones, %ones, %one)\n"
      "  %sum : Tensor = aten::sum(%c, %none)\n  %s : Tensor = aten::add(%d, %sum, %one)\n  return (%s)\n";
  const auto run = [&](bool is_fused) {
    const auto graph = ParseFrozen(body);
    if (is_fused) FuseOperators(*graph, Mode::kFast);
    at::manual_seed(7);
    torch::jit::Stack stack = {at::randn({2, 3, 9, 9}).contiguous(at::MemoryFormat::ChannelsLast),
                               at::Tensor(),
                               at::Tensor(),
                               at::Tensor(),
                               at::Tensor(),
                               at::Tensor()};
    torch::jit::InterpreterState(torch::jit::Code(graph, "")).run(stack);
    return stack.back().toTensor();
  };
  EXPECT_TRUE(at::allclose(run(true), run(false), /*rtol=*/1e-4, /*atol=*/1e-4));
}

}  // namespace

}  // namespace nacue
