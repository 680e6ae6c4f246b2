// See match_reference.h.
#include "match_reference.h"

#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <unordered_set>

#include "error.h"
#include "graph_nodes.h"
#include "module_tree.h"
#include "tap_op.h"

namespace nacue {

namespace {

using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

// The values that require grad in the reference: all that depend on a trainable parameter. Control flow is taken as a
// whole.
class TrainableValues {
 public:
  TrainableValues(const torch::jit::Module& module, Graph& graph) : module_(module), graph_(graph) {
    while (Spread(graph.block())) {
    }
  }
  bool Has(const Value* value) const { return values_.count(value) != 0; }

 private:
  bool Spread(Block* block) {
    bool changed = false;
    for (Node* node : block->nodes()) {
      for (Block* inner : node->blocks()) {
        if (HasAny(node->inputs())) changed |= Add(inner->inputs());
        changed |= Spread(inner);
        if (HasAny(inner->outputs())) changed |= Add(node->outputs()) | Add(inner->inputs());
      }
      if (DependsOnParameter(node)) changed |= Add(node->outputs());
    }
    return changed;
  }

  bool DependsOnParameter(const Node* node) const {
    if (node->kind() == c10::prim::GetAttr) return IsTrainableAttribute(node);
    if (node->kind() == c10::prim::Constant)
      return IsTrainable(torch::jit::toIValue(node->output()).value_or(c10::IValue()));
    return node->kind() != c10::aten::detach && node->blocks().empty() && HasAny(node->inputs());
  }

  bool IsTrainableAttribute(const Node* node) const {
    const auto owner = ModuleOf(module_, graph_, node->input(0));
    const std::string& name = node->s(c10::attr::name);
    return owner && owner->hasattr(name) && IsTrainable(owner->attr(name));
  }

  static bool IsTrainable(const c10::IValue& value) {
    if (value.isTensor()) return value.toTensor().defined() && value.toTensor().requires_grad();
    if (!value.isTensorList()) return false;
    const auto tensors = value.toTensorVector();
    return std::any_of(tensors.begin(), tensors.end(), [](const at::Tensor& tensor) { return tensor.requires_grad(); });
  }

  template <typename Values>
  bool HasAny(const Values& values) const {
    return std::any_of(values.begin(), values.end(), [&](const Value* value) { return Has(value); });
  }

  template <typename Values>
  bool Add(const Values& values) {
    bool is_new = false;
    for (const Value* value : values) is_new |= values_.insert(value).second;
    return is_new;
  }

  const torch::jit::Module& module_;
  Graph& graph_;
  std::unordered_set<const Value*> values_;
};

// Kernels that choose by the grad mode itself: oneDNN's LSTM has one for training and one for inference, LAPACK's
// decompositions compute more for a backward pass.
bool DependsOnGradMode(const std::string& kind) {
  return kind == "aten::lstm" || kind == "aten::svd" || kind.starts_with("aten::linalg_");
}

// Batch norm without running statistics uses the batch in eval mode too, and a dropout of probability 0 does nothing.
bool ActsAsInTraining(const Node* node) {
  const torch::jit::FunctionSchema* const schema = node->maybeSchema();
  if (schema == nullptr) return false;
  const auto constant = [&](const char* name) -> std::optional<c10::IValue> {
    const auto index = schema->argumentIndexWithName(name);
    return index ? torch::jit::toIValue(node->input(*index)) : std::nullopt;
  };
  const auto is_true = [](const std::optional<c10::IValue>& value) {
    return value && value->isBool() && value->toBool();
  };
  const auto probability = [](const std::optional<c10::IValue>& value, double unknown) {
    return value && value->isDouble() ? value->toDouble() : unknown;
  };
  const auto running_mean = constant("running_mean");
  const bool is_flagged = is_true(constant("train")) || is_true(constant("training"));
  const bool without_statistics = running_mean && running_mean->isNone();
  return (is_flagged && !without_statistics && probability(constant("p"), 1.0) > 0) ||
         probability(constant("dropout_p"), 0.0) > 0;
}

void RefuseTraining(Graph& graph, Node* node, bool is_certain) {
  if (!ActsAsInTraining(node)) return;
  const std::string name = node->kind().toQualString();
  if (is_certain) ThrowTraining(name);
  torch::jit::WithInsertPoint here(node);
  graph.insertNode(graph.create(RegisteredTapSymbols().training, {graph.insertConstant(name)}, /*num_outputs=*/0));
}

void KeepOperands(Graph& graph, Node* node, const TrainableValues& trainable) {
  for (size_t i = 0; i < 2; ++i) {
    Value* const operand = node->input(i);
    if (!trainable.Has(operand)) continue;
    Node* const keep = graph.create(RegisteredTapSymbols().as_in_reference, {operand}, /*num_outputs=*/1);
    keep->output()->setType(operand->type());
    keep->insertBefore(node);
    node->replaceInput(i, keep->output());
  }
}

}  // namespace

void ThrowTraining(const std::string& operator_name) {
  throw Error("ERR_NACUE_MODEL_TRAINING", "the model was exported in training mode (" + operator_name +
                                              " acts as in training): call model.eval() before torch.jit.trace");
}

bool MatchReference(const torch::jit::Module& module, Graph& graph) {
  const TrainableValues trainable(module, graph);
  bool must_record_from_start = false;
  ForEachNode(graph.block(), [&](Node* node, bool is_certain) {
    RefuseTraining(graph, node, is_certain);
    const std::string kind = node->kind().toQualString();
    must_record_from_start |= DependsOnGradMode(kind);
    if (kind == "aten::matmul" || kind == "aten::linear") KeepOperands(graph, node, trainable);
    if (kind == "aten::is_grad_enabled") return ReplaceNode(graph, node, RegisteredTapSymbols().is_grad_enabled);
    if (kind == "aten::set_grad_enabled") return ReplaceNode(graph, node, RegisteredTapSymbols().set_grad_enabled);
    if (kind == "prim::requires_grad" && trainable.Has(node->input())) {
      torch::jit::WithInsertPoint here(node);
      node->output()->replaceAllUsesWith(graph.insertConstant(true));
      node->destroy();
    }
  });
  return must_record_from_start;
}

}  // namespace nacue
