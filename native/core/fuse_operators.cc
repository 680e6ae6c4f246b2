// See fuse_operators.h.
//
// A batch norm takes along an addition to its result and an activation after that, where nobody else sees what lies
// between: neither a tap nor another node. All of it then runs where the last of them ran, so that what it reads must
// not be changed in between.
#include "fuse_operators.h"

#include <torch/csrc/jit/ir/constants.h>

#include <string_view>
#include <vector>

#include "batch_norm.h"
#include "graph_nodes.h"
#include "tap_op.h"

namespace nacue {

namespace {

using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

Node* OnlyUserOf(const Node* node) {
  const auto& uses = node->output()->uses();
  const bool is_only = uses.size() == 1 && uses[0].offset == 0 && uses[0].user->owningBlock() == node->owningBlock();
  return is_only ? uses[0].user : nullptr;
}

// Nothing between the two can change a tensor.
bool FollowsDirectly(const Node* later, const Node* node) {
  for (node = node->next(); node != later; node = node->next())
    if (node->kind() != c10::prim::Constant && node->kind() != c10::prim::GetAttr) return false;
  return true;
}

// Nobody but its only user can change it.
bool IsNewAndUsedOnce(const Value* value) {
  const std::string_view kind = value->node()->kind().toQualString();
  return value->uses().size() == 1 && kind.starts_with("aten::") && kind.find("conv") != std::string_view::npos;
}

bool IsConstant(const Value* value, double number) {
  const auto constant = torch::jit::toIValue(value);
  return constant && constant->isScalar() && constant->toScalar().toDouble() == number;
}

Activation ActivationOf(const Node* node) {
  const std::string_view kind = node->kind().toQualString();
  if (kind == "aten::relu" || kind == "aten::relu_") return Activation::kRelu;
  if (kind == "aten::relu6" || kind == "aten::relu6_") return Activation::kRelu6;
  const bool is_hardtanh = kind == "aten::hardtanh" || kind == "aten::hardtanh_";
  if (is_hardtanh && IsConstant(node->input(1), 0) && IsConstant(node->input(2), 6)) return Activation::kRelu6;
  if (kind == "aten::hardswish" || kind == "aten::hardswish_") return Activation::kHardswish;
  return Activation::kNone;
}

bool AddsTensor(const Node* node) {
  const bool is_sum = node->kind() == c10::aten::add || node->kind() == c10::aten::add_;
  return is_sum && node->inputs().size() == 3 && node->input(1)->type()->isSubtypeOf(*c10::TensorType::get()) &&
         IsConstant(node->input(2), 1);
}

// A batch norm and what it takes along, null for what it does not.
struct Chain {
  Node* norm = nullptr;
  Node* sum = nullptr;
  Node* activation = nullptr;

  Node* last() const {
    if (activation != nullptr) return activation;
    return norm;
  }
};

Chain ChainFrom(Node* norm) {
  Chain chain = {norm};
  Node* user = OnlyUserOf(norm);
  if (user == nullptr || !(FollowsDirectly(user, norm) || IsNewAndUsedOnce(norm->input(0)))) return chain;
  if (AddsTensor(user)) {
    Node* const after = OnlyUserOf(user);
    const Activation activation = after == nullptr ? Activation::kNone : ActivationOf(after);
    const bool goes_along = activation == Activation::kRelu || activation == Activation::kRelu6;
    if (!goes_along || !FollowsDirectly(after, user)) return chain;
    chain.sum = user;
    user = after;
  }
  if (ActivationOf(user) != Activation::kNone) chain.activation = user;
  return chain;
}

void Fuse(Graph& graph, const Chain& chain) {
  const torch::jit::WithInsertPoint here(chain.last());
  std::vector<Value*> inputs = chain.norm->inputs().vec();
  const Activation activation = chain.activation == nullptr ? Activation::kNone : ActivationOf(chain.activation);
  inputs.push_back(chain.sum == nullptr ? graph.insertConstant(c10::IValue()) : chain.sum->input(1));
  inputs.push_back(graph.insertConstant(chain.sum != nullptr && chain.sum->kind() == c10::aten::add_));
  inputs.push_back(graph.insertConstant(static_cast<int64_t>(activation)));
  Node* const fused = graph.create(RegisteredTapSymbols().batch_norm, inputs, /*num_outputs=*/1);
  fused->output()->setType(chain.last()->output()->type());
  graph.insertNode(fused);
  chain.last()->output()->replaceAllUsesWith(fused->output());
  for (Node* const node : {chain.activation, chain.sum, chain.norm})
    if (node != nullptr) node->destroy();
}

}  // namespace

void FuseOperators(Graph& graph, Mode mode) {
  std::vector<Node*> norms;
  ForEachNode(graph.block(), [&](Node* node, bool) {
    if (node->kind() == c10::aten::batch_norm) norms.push_back(node);
    if (node->kind() == c10::aten::max_pool2d) ReplaceNode(graph, node, RegisteredTapSymbols().max_pool2d);
  });
  if (mode == Mode::kFast) return;
  for (Node* const norm : norms) Fuse(graph, ChainFrom(norm));
}

}  // namespace nacue
