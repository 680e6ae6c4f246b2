// See freeze_graph.h. Not LibTorch's freeze_module(): that works on modules, whose graphs have no taps.
#include "freeze_graph.h"

#include <torch/csrc/autograd/grad_mode.h>
#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/constant_propagation.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>

#include "graph_nodes.h"
#include "module_tree.h"

namespace nacue {

namespace {

using torch::jit::Graph;
using torch::jit::Module;
using torch::jit::Node;

std::vector<Node*> NodesOfKind(Graph& graph, c10::Symbol kind) {
  std::vector<Node*> found;
  ForEachNode(graph.block(), [&](Node* node, bool) {
    if (node->kind() == kind) found.push_back(node);
  });
  return found;
}

std::optional<c10::IValue> AttributeOf(const Module& root, const Graph& graph, const Node* get) {
  const auto owner = ModuleOf(root, graph, get->input(0));
  const std::string& name = get->s(c10::attr::name);
  if (!owner || !owner->hasattr(name)) return std::nullopt;
  return owner->attr(name);
}

void ReplaceByConstant(Graph& graph, Node* get, c10::IValue value) {
  if (value.isTensor() && value.toTensor().defined()) value = value.toTensor().detach();
  const torch::jit::WithInsertPoint here(get);
  const auto constant = torch::jit::tryInsertConstant(graph, value);
  if (!constant) return;
  get->output()->replaceAllUsesWith(*constant);
  get->destroy();
}

void Simplify(std::shared_ptr<Graph>& graph) {
  // What a model asks for is answered as while gradients are on.
  const at::AutoGradMode with_gradients(true);
  torch::jit::ConstantPropagation(graph);
  torch::jit::EliminateDeadCode(graph);
}

bool IsPlain(const c10::IValue& value) {
  return value.isNone() || value.isBool() || value.isInt() || value.isDouble() || value.isString();
}

}  // namespace

bool FreezeGraph(const Module& module, std::shared_ptr<Graph>& graph) {
  const auto get_attributes = [&] { return NodesOfKind(*graph, c10::prim::GetAttr); };
  // Which attributes are written to may depend on the plain ones: batch norm counts batches in training.
  if (!NodesOfKind(*graph, c10::Symbol::fromQualString("aten::set_grad_enabled")).empty()) return false;
  const std::vector<Node*> writes = NodesOfKind(*graph, c10::prim::SetAttr);
  const auto is_written = [&](const Node* get) {
    return std::any_of(writes.begin(), writes.end(),
                       [&](const Node* write) { return write->s(c10::attr::name) == get->s(c10::attr::name); });
  };
  for (Node* get : get_attributes()) {
    const auto value = AttributeOf(module, *graph, get);
    if (value && IsPlain(*value) && !is_written(get)) ReplaceByConstant(*graph, get, *value);
  }
  Simplify(graph);
  if (!NodesOfKind(*graph, c10::prim::SetAttr).empty()) return false;

  const torch::jit::AliasDb aliases(graph);
  std::vector<std::pair<Node*, c10::IValue>> tensors;
  for (Node* get : get_attributes()) {
    const auto value = AttributeOf(module, *graph, get);
    if (!value || !value->isTensor()) continue;
    if (aliases.hasWriters(get->output())) return false;
    tensors.emplace_back(get, *value);
  }
  for (const auto& [get, value] : tensors) ReplaceByConstant(*graph, get, value);
  Simplify(graph);
  return true;
}

}  // namespace nacue
