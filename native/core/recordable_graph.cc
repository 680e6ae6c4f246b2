// See recordable_graph.h.
#include "recordable_graph.h"

#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>

namespace nacue {

namespace {

bool IsRecordableNode(const torch::jit::Node* node);

bool IsRecordableBlock(const torch::jit::Block* block) {
  const auto nodes = block->nodes();
  return std::all_of(nodes.begin(), nodes.end(), IsRecordableNode);
}

// A copy that nobody waits for reads the host's memory again at each repetition, when it may be gone.
bool CopiesWithoutWaiting(const torch::jit::Node* node) {
  const torch::jit::FunctionSchema* const schema = node->maybeSchema();
  const auto index = schema == nullptr ? std::nullopt : schema->argumentIndexWithName("non_blocking");
  if (!index) return false;
  const auto constant = torch::jit::toIValue(node->input(*index));
  return !constant || !constant->isBool() || constant->toBool();
}

// Of a dropout, which draws nothing: models are in eval mode, and one that says otherwise is refused (match_reference).
bool IsOff(const torch::jit::Node* node) {
  const torch::jit::FunctionSchema* const schema = node->maybeSchema();
  const auto index = schema == nullptr ? std::nullopt : schema->argumentIndexWithName("train");
  if (!index) return false;
  const torch::jit::Node* const flag = node->input(*index)->node();
  if (flag->kind() == c10::prim::GetAttr) return flag->s(c10::attr::name) == "training";
  const auto constant = torch::jit::toIValue(flag->output());
  return constant && constant->isBool() && !constant->toBool();
}

bool IsRecordableNode(const torch::jit::Node* node) {
  const auto kind = node->kind();
  if (kind == c10::prim::SetAttr || kind == c10::prim::Print || kind == c10::prim::CallMethod ||
      kind == c10::prim::CallFunction)
    return false;
  if ((node->isNondeterministic() && !IsOff(node)) || CopiesWithoutWaiting(node)) return false;
  return std::all_of(node->blocks().begin(), node->blocks().end(), IsRecordableBlock);
}

}  // namespace

bool IsRecordable(const torch::jit::Graph& graph) {
  return IsRecordableBlock(graph.block());
}

}  // namespace nacue
