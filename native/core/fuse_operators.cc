// See fuse_operators.h.
//
// A batch norm takes along an addition to its result and an activation after that, a convolution the addition, where
// nobody else sees what lies between: neither a tap nor another node. All of it then runs where the last of them ran,
// so that what it reads must not be changed in between, nor whether it is recorded.
#include "fuse_operators.h"

#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/ir/constants.h>

#include <optional>
#include <set>
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

const torch::jit::Use* OnlyUseOf(const Node* node) {
  const auto& uses = node->output()->uses();
  return uses.size() == 1 && uses[0].user->owningBlock() == node->owningBlock() ? &uses[0] : nullptr;
}

// Of its result as the first operand.
Node* OnlyUserOf(const Node* node) {
  const torch::jit::Use* const use = OnlyUseOf(node);
  return use != nullptr && use->offset == 0 ? use->user : nullptr;
}

// Whether each node between the two is as `is_allowed` says.
template <typename IsAllowed>
bool AreAllBetween(const Node* node, const Node* later, const IsAllowed& is_allowed) {
  for (node = node->next(); node != later; node = node->next())
    if (!is_allowed(node)) return false;
  return true;
}

// Nothing between the two can change a tensor.
bool FollowsDirectly(const Node* later, const Node* node) {
  return AreAllBetween(node, later, [](const Node* between) {
    return between->kind() == c10::prim::Constant || between->kind() == c10::prim::GetAttr;
  });
}

// Nothing between the two turns recording on or off.
bool AreRecordedAlike(const Node* later, const Node* node) {
  return AreAllBetween(node, later, [](const Node* between) {
    return between->blocks().empty() && between->kind() != RegisteredTapSymbols().set_grad_enabled;
  });
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

// Nobody but its only user can change it.
bool IsNewAndUsedOnce(const Value* value) {
  const Node* const node = value->node();
  if (value->uses().size() != 1) return false;
  if (ActivationOf(node) != Activation::kNone || node->kind() == c10::aten::to) return IsNewAndUsedOnce(node->input(0));
  const std::string_view kind = node->kind().toQualString();
  return kind.starts_with("aten::") && kind.find("conv") != std::string_view::npos;
}

// `node` reads the same tensors if it runs where `later` does.
bool CanRunAt(const Node* later, const Node* node) {
  return FollowsDirectly(later, node) || (IsNewAndUsedOnce(node->input(0)) && AreRecordedAlike(later, node));
}

// A batch norm or a convolution and what it takes along, null for what it does not.
struct Chain {
  Node* first = nullptr;
  Node* sum = nullptr;
  size_t added = 1;  // which operand of the sum
  Node* activation = nullptr;

  Node* last() const {
    if (activation != nullptr) return activation;
    return sum != nullptr ? sum : first;
  }
};

// Whether a graph may write to a value, or to what shares its memory. Looked at when first asked: that takes a while.
class Writers {
 public:
  explicit Writers(Graph& graph) : graph_(graph) {}

  bool MayWriteTo(const Value* value) {
    if (!aliases_) aliases_.emplace(graph_.shared_from_this());
    return aliases_->hasWriters(value);
  }

 private:
  Graph& graph_;
  std::optional<torch::jit::AliasDb> aliases_;
};

// The gradient of relu6 is told from its result here, in LibTorch from its argument where it is not in place: there the
// result may be changed later.
bool NeedsItsResult(Node* activation) {
  const bool is_in_place = std::string_view(activation->kind().toQualString()).ends_with('_');
  return ActivationOf(activation) == Activation::kRelu6 && !is_in_place;
}

Chain ChainFromNorm(Node* norm, Writers& writers) {
  Chain chain = {norm};
  Node* user = OnlyUserOf(norm);
  if (user == nullptr || !CanRunAt(user, norm)) return chain;
  const auto goes_along = [&](Node* node) {
    return ActivationOf(node) != Activation::kNone && !(NeedsItsResult(node) && writers.MayWriteTo(node->output()));
  };
  if (AddsTensor(user)) {
    Node* const after = OnlyUserOf(user);
    const bool both_go_along = after != nullptr && ActivationOf(after) != Activation::kHardswish && goes_along(after);
    if (!both_go_along || !FollowsDirectly(after, user)) return chain;
    chain.sum = user;
    user = after;
  }
  if (goes_along(user)) chain.activation = user;
  return chain;
}

// With the addition of what comes before its result or after it.
Chain ChainFromConvolution(Node* convolution) {
  Chain chain = {convolution};
  const torch::jit::Use* const use = OnlyUseOf(convolution);
  if (use == nullptr || !AddsTensor(use->user) || !CanRunAt(use->user, convolution)) return chain;
  const bool is_changed = use->offset == 1 && use->user->kind() == c10::aten::add_;
  if (is_changed || use->offset > 1) return chain;
  chain.sum = use->user;
  chain.added = 1 - use->offset;
  return chain;
}

void Replace(Graph& graph, const Chain& chain, c10::Symbol symbol, const std::vector<Value*>& inputs) {
  Node* const fused = graph.create(symbol, inputs, /*num_outputs=*/1);
  fused->output()->setType(chain.last()->output()->type());
  graph.insertNode(fused);
  chain.last()->output()->replaceAllUsesWith(fused->output());
  for (Node* const node : {chain.activation, chain.sum, chain.first})
    if (node != nullptr) node->destroy();
}

// What is added may be the result of another chain, which takes the place of what it was when the chain was found.
Value* AddedOrNone(Graph& graph, const Chain& chain) {
  return chain.sum == nullptr ? graph.insertConstant(c10::IValue()) : chain.sum->input(chain.added);
}

void FuseNorm(Graph& graph, const Chain& chain) {
  const torch::jit::WithInsertPoint here(chain.last());
  std::vector<Value*> inputs = chain.first->inputs().vec();
  const Activation activation = chain.activation == nullptr ? Activation::kNone : ActivationOf(chain.activation);
  inputs.push_back(AddedOrNone(graph, chain));
  inputs.push_back(graph.insertConstant(chain.sum != nullptr && chain.sum->kind() == c10::aten::add_));
  inputs.push_back(graph.insertConstant(static_cast<int64_t>(activation)));
  Replace(graph, chain, RegisteredTapSymbols().batch_norm, inputs);
}

// Those of aten::conv2d, of a node that computes it of constants.
std::optional<std::vector<Value*>> Conv2dInputs(Node* node) {
  std::vector<Value*> inputs = node->inputs().vec();
  if (node->kind() == c10::aten::_convolution) {
    if (!IsConstant(node->input(6), /*transposed=*/0)) return std::nullopt;
    inputs = {inputs[0], inputs[1], inputs[2], inputs[3], inputs[4], inputs[5], inputs[8]};
  } else if (node->kind() != c10::aten::conv2d) {
    return std::nullopt;
  }
  std::vector<c10::IValue> constants;
  for (const Value* const input : at::ArrayRef(inputs).slice(1)) {
    const auto constant = torch::jit::toIValue(input);
    if (!constant) return std::nullopt;
    constants.push_back(*constant);
  }
  // A single number means both sides, and padding may be a word.
  const auto has_two_sides = [](const c10::IValue& list) { return list.isIntList() && list.toIntVector().size() == 2; };
  const bool is_usual = constants[0].isTensor() && constants[0].toTensor().dim() == 4 && has_two_sides(constants[2]) &&
                        has_two_sides(constants[3]) && has_two_sides(constants[4]);
  return is_usual ? std::optional(std::move(inputs)) : std::nullopt;
}

void FuseConvolution(Graph& graph, const Chain& chain) {
  std::vector<Value*> inputs = Conv2dInputs(chain.first).value();
  const torch::jit::WithInsertPoint here(chain.last());
  inputs.push_back(AddedOrNone(graph, chain));
  Replace(graph, chain, RegisteredTapSymbols().convolution, inputs);
}

}  // namespace

void FuseOperators(Graph& graph, Mode mode) {
  std::vector<Chain> norms;
  std::vector<Chain> convolutions;
  std::set<const Node*> sums;
  Writers writers(graph);
  ForEachNode(graph.block(), [&](Node* node, bool) {
    if (mode == Mode::kParity && node->kind() == c10::aten::batch_norm) norms.push_back(ChainFromNorm(node, writers));
    if (mode == Mode::kParity || !Conv2dInputs(node)) return;
    Chain chain = ChainFromConvolution(node);
    // Of two convolutions that are added, the first takes the sum along.
    if (chain.sum != nullptr && !sums.insert(chain.sum).second) chain.sum = nullptr;
    convolutions.push_back(chain);
  });
  for (const Chain& chain : norms) FuseNorm(graph, chain);
  for (const Chain& chain : convolutions) FuseConvolution(graph, chain);
  ForEachNode(graph.block(), [&](Node* node, bool) {
    if (node->kind() == c10::aten::max_pool2d) ReplaceNode(graph, node, RegisteredTapSymbols().max_pool2d);
  });
}

}  // namespace nacue
