// See optimize_graph.h.
#include "optimize_graph.h"

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/frozen_conv_folding.h>
#include <torch/csrc/jit/passes/frozen_linear_folding.h>

#include <map>
#include <set>
#include <string_view>

#include "freeze_graph.h"
#include "graph_nodes.h"

namespace nacue {

namespace {

using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

int64_t CountBatchNorms(Graph& graph) {
  int64_t count = 0;
  ForEachNode(graph.block(), [&](const Node* node, bool) { count += node->kind() == c10::aten::batch_norm ? 1 : 0; });
  return count;
}

bool IsConvolution(const Node* node) {
  return std::string_view(node->kind().toQualString()).find("::conv") != std::string_view::npos ||
         node->kind() == c10::aten::_convolution;
}

// A scripted batch norm asks for the number of dimensions of what it gets; a second use would keep it from being
// folded. Convolutions and linear layers keep that number.
void AskBeforeProduct(Node* node) {
  if (node->kind() != c10::aten::dim) return;
  const Node* const producer = node->input(0)->node();
  if (IsConvolution(producer) || producer->kind() == c10::aten::linear) node->replaceInput(0, producer->input(0));
}

// What autocast runs in the lower precision, by the operands' names.
bool TakesLowerPrecision(const Node* node) {
  static const std::set<std::string_view> products = {"aten::linear", "aten::matmul", "aten::addmm",
                                                      "aten::mm",     "aten::bmm",    "aten::baddbmm"};
  return IsConvolution(node) || products.contains(node->kind().toQualString());
}

// Casts and lays out constant weights once; each is kept as long as its node is.
class Weights {
 public:
  Weights(Graph& graph, const ExecutionPlan& plan) : graph_(graph), plan_(plan) {}

  void Convert(Node* node) {
    if (!TakesLowerPrecision(node)) return;
    for (size_t i = 0; i < node->inputs().size(); ++i) {
      if (Value* const converted = Converted(node->input(i), IsConvolution(node))) node->replaceInput(i, converted);
    }
  }

 private:
  // Null for what stays as it is.
  Value* Converted(Value* input, bool of_convolution) {
    if (input->node()->kind() != c10::prim::Constant || !input->type()->isSubtypeOf(*c10::TensorType::get()))
      return nullptr;
    const auto value = torch::jit::toIValue(input);
    if (!value || !value->isTensor() || !value->toTensor().defined()) return nullptr;
    if (value->toTensor().scalar_type() != at::kFloat) return nullptr;
    const auto [found, is_new] = converted_.emplace(std::pair(input, of_convolution), nullptr);
    if (is_new) {
      const torch::jit::WithInsertPoint here(input->node());
      found->second = graph_.insertConstant(InPlan(value->toTensor(), of_convolution));
    }
    return found->second;
  }

  at::Tensor InPlan(const at::Tensor& weight, bool of_convolution) const {
    const at::Tensor cast = plan_.precision == Precision::kBfloat16 ? weight.to(at::kBFloat16) : weight;
    const bool lies_differently = plan_.channels_last && of_convolution && weight.dim() == 4;
    return lies_differently ? cast.contiguous(at::MemoryFormat::ChannelsLast) : cast;
  }

  Graph& graph_;
  const ExecutionPlan& plan_;
  std::map<std::pair<Value*, bool>, Value*> converted_;
};

// A view of what lies channels last may need a copy.
void AllowCopies(Graph& graph, Node* node) {
  if (node->kind() != c10::aten::view || node->inputs().size() != 2) return;
  if (node->input(1)->type()->kind() != c10::TypeKind::ListType) return;  // view(dtype)
  Node* const reshape = graph.create(c10::aten::reshape, node->inputs(), /*num_outputs=*/1);
  reshape->insertBefore(node);
  reshape->output()->setType(node->output()->type());
  node->output()->replaceAllUsesWith(reshape->output());
  node->destroy();
}

// In a trace convolutions are `_convolution`, which autocast leaves alone on the CPU.
void CastOperands(Graph& graph, Node* node) {
  if (node->kind() != c10::aten::_convolution) return;
  const torch::jit::WithInsertPoint here(node);
  Value* const bfloat16 = graph.insertConstant(static_cast<int64_t>(at::kBFloat16));
  Value* const no = graph.insertConstant(false);
  Value* const same_layout = graph.insertConstant(c10::IValue());
  for (size_t i = 0; i < 3; ++i) {
    Value* const operand = node->input(i);
    const bool is_converted = operand->node()->kind() == c10::prim::Constant;
    if (is_converted || !operand->type()->isSubtypeOf(*c10::TensorType::get())) continue;
    Node* const cast = graph.create(c10::aten::to, {operand, bfloat16, no, no, same_layout});
    cast->output()->setType(operand->type());
    graph.insertNode(cast);
    node->replaceInput(i, cast->output());
  }
}

}  // namespace

void OptimizeGraph(const torch::jit::Module& module, TappedGraph& tapped, ExecutionPlan& plan) {
  std::shared_ptr<Graph>& graph = tapped.graph;
  if (plan.channels_last) ForEachNode(graph->block(), [&](Node* node, bool) { AllowCopies(*graph, node); });
  plan.frozen = FreezeGraph(module, graph);
  ForEachNode(graph->block(), [](Node* node, bool) { AskBeforeProduct(node); });
  const int64_t batch_norms = CountBatchNorms(*graph);
  torch::jit::FoldFrozenConvBatchnorm(graph);
  torch::jit::FoldFrozenLinearBatchnorm(graph);
  torch::jit::EliminateDeadCode(graph);
  plan.folded_batch_norms = batch_norms - CountBatchNorms(*graph);
  Weights weights(*graph, plan);
  ForEachNode(graph->block(), [&](Node* node, bool) { weights.Convert(node); });
  if (plan.precision == Precision::kBfloat16)
    ForEachNode(graph->block(), [&](Node* node, bool) { CastOperands(*graph, node); });
  torch::jit::EliminateDeadCode(graph);
}

}  // namespace nacue
