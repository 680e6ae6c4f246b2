// What nacue_cuda.so and the addon agree on, as far as it shows without a GPU; and which graphs may be recorded.
#include "core/pass_graphs.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/ir/irparser.h>

#include "core/recordable_graph.h"
#include "core/recurrent_layers.h"
#include "core/tap_op.h"

// The one object of libc10_cuda that the library refers to; functions are only looked for when they are called.
extern "C" __attribute__((visibility("default"))) void* nacue_test_allocator asm(
    "_ZN3c104cuda20CUDACachingAllocator9allocatorE");
void* nacue_test_allocator = nullptr;

namespace nacue {

namespace {

TEST(PassGraphFunctionsOf, IsNullWhereThereIsNoLibraryOrNoneOfOurs) {
  EXPECT_EQ(PassGraphFunctionsOf("/nowhere/nacue_cuda.so", RTLD_LAZY), nullptr);
  EXPECT_EQ(PassGraphFunctionsOf("libm.so.6", RTLD_LAZY), nullptr);
}

TEST(OpenPassGraphs, IsNothingOnTheCpu) {
  EXPECT_EQ(OpenPassGraphs(c10::Device(c10::kCPU)), nullptr);
}

#ifdef NACUE_CUDA_LIBRARY
TEST(PassGraphFunctionsOf, FindsEveryFunctionOfTheLibraryBuiltAlong) {
  ASSERT_NE(dlopen(NACUE_CUDA_LIBRARY, RTLD_LAZY), nullptr) << dlerror();
  const NacuePassGraphFunctions* const functions = PassGraphFunctionsOf(NACUE_CUDA_LIBRARY, RTLD_LAZY);
  ASSERT_NE(functions, nullptr);
  EXPECT_EQ(functions->interface_version, kPassGraphInterface);
  EXPECT_STREQ(functions->libtorch_version, NACUE_LIBTORCH_VERSION);
  EXPECT_NE(functions->record, nullptr);
  EXPECT_NE(functions->replay, nullptr);
  EXPECT_NE(functions->drop, nullptr);
  NacueProblem problem = {};
  NacueGraphPool* const pool = functions->open_pool(/*device=*/0, &problem);
  ASSERT_NE(pool, nullptr) << problem.text;
  functions->close_pool(pool);
}
#endif

std::shared_ptr<torch::jit::Graph> Parsed(const std::string& text) {
  const auto graph = std::make_shared<torch::jit::Graph>();
  torch::jit::parseIR(text, graph.get());
  return graph;
}

TEST(IsRecordable, TakesWhatOnlyTheDeviceHasAPartIn) {
  EXPECT_TRUE(IsRecordable(*Parsed(R"(graph(%x : Tensor):
    %y : Tensor = aten::relu(%x)
    return (%y))")));
}

TEST(IsRecordable, RefusesRandomNumbersAttributesWrittenAndCopiesThatNobodyWaitsFor) {
  EXPECT_FALSE(IsRecordable(*Parsed(R"(graph(%x : Tensor):
    %none : NoneType = prim::Constant()
    %y : Tensor = aten::rand_like(%x, %none, %none, %none, %none, %none)
    return (%y))")));
  EXPECT_FALSE(IsRecordable(*Parsed(R"(graph(%self, %x : Tensor):
    prim::SetAttr[name="last"](%self, %x)
    return (%x))")));
  const std::string to = R"(graph(%x : Tensor, %other : Tensor):
    %no : bool = prim::Constant[value=0]()
    %yes : bool = prim::Constant[value=1]()
    %none : NoneType = prim::Constant()
    %y : Tensor = aten::to(%x, %other, NONBLOCKING, %no, %none)
    return (%y))";
  const auto with = [&](const std::string& flag) { return std::string(to).replace(to.find("NONBLOCKING"), 11, flag); };
  EXPECT_TRUE(IsRecordable(*Parsed(with("%no"))));
  EXPECT_FALSE(IsRecordable(*Parsed(with("%yes"))));
}

TEST(IsRecordable, KnowsThatADropoutIsOffInEvalMode) {
  const std::string text = R"(graph(%self, %x : Tensor):
    %p : float = prim::Constant[value=0.5]()
    %train : bool = FLAG
    %y : Tensor = aten::dropout(%x, %p, %train)
    return (%y))";
  const auto with = [&](const std::string& flag) { return std::string(text).replace(text.find("FLAG"), 4, flag); };
  EXPECT_TRUE(IsRecordable(*Parsed(with("prim::Constant[value=0]()"))));
  EXPECT_TRUE(IsRecordable(*Parsed(with("prim::GetAttr[name=\"training\"](%self)"))));
  EXPECT_FALSE(IsRecordable(*Parsed(with("prim::Constant[value=1]()"))));
}

TEST(IsRecordable, LooksIntoBranches) {
  EXPECT_FALSE(IsRecordable(*Parsed(R"(graph(%x : Tensor, %c : bool):
    %y : Tensor = prim::If(%c)
      block0():
        %none : NoneType = prim::Constant()
        %r : Tensor = aten::rand_like(%x, %none, %none, %none, %none, %none)
        -> (%r)
      block1():
        -> (%x)
    return (%y))")));
}

TEST(TrainRecurrentLayersOnCuda, AsksForTheDeviceAndLeavesTheCpuAlone) {
  RegisteredTapSymbols();
  const auto graph = Parsed(R"(graph(%x : Tensor, %h : Tensor, %p : Tensor[]):
    %has_biases : bool = prim::Constant[value=1]()
    %layers : int = prim::Constant[value=1]()
    %dropout : float = prim::Constant[value=0.5]()
    %train : bool = prim::Constant[value=0]()
    %y : Tensor, %n : Tensor = aten::gru(%x, %h, %p, %has_biases, %layers, %dropout, %train, %train, %train)
    return (%y))");
  TrainRecurrentLayersOnCuda(*graph);
  const auto nodes = graph->nodes();
  const auto gru = std::find_if(nodes.begin(), nodes.end(),
                                [](const torch::jit::Node* node) { return node->kind() == c10::aten::gru; });
  ASSERT_NE(gru, nodes.end());
  EXPECT_EQ((*gru)->input(5)->node()->kind(), RegisteredTapSymbols().recurrent_dropout);
  EXPECT_EQ((*gru)->input(6)->node()->kind(), RegisteredTapSymbols().recurrent_train);
  // "bidirectional" and "batch_first" stay what they were.
  EXPECT_EQ((*gru)->input(7)->node()->kind(), c10::prim::Constant);
  EXPECT_EQ((*gru)->input(8)->node()->kind(), c10::prim::Constant);

  torch::jit::Stack stack = {at::zeros({1}), at::zeros({1})};
  const auto value_of = [&](torch::jit::Value* value, c10::IValue given) {
    torch::jit::Stack arguments = {std::move(given), at::zeros({1})};
    value->node()->getOperation()(arguments);
    return arguments.back();
  };
  EXPECT_EQ(value_of((*gru)->input(5), 0.5).toDouble(), 0.5);
  EXPECT_FALSE(value_of((*gru)->input(6), false).toBool());
}

}  // namespace

}  // namespace nacue
