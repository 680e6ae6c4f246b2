// Walking over the nodes of a graph, and replacing them.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

namespace nacue {

// Also nodes of inner blocks, these first. `visit` gets each node, and whether it runs in every forward(); it may
// destroy the node it gets.
template <typename Visit>
void ForEachNode(torch::jit::Block* block, const Visit& visit, bool is_certain = true) {
  for (auto it = block->nodes().begin(); it != block->nodes().end();) {
    torch::jit::Node* const node = *it++;
    for (torch::jit::Block* inner : node->blocks()) ForEachNode(inner, visit, /*is_certain=*/false);
    visit(node, is_certain);
  }
}

// By one of the same inputs and outputs.
inline void ReplaceNode(torch::jit::Graph& graph, torch::jit::Node* node, c10::Symbol symbol) {
  torch::jit::Node* const replacement = graph.create(symbol, node->inputs(), node->outputs().size());
  replacement->insertBefore(node);
  for (size_t i = 0; i < node->outputs().size(); ++i) {
    replacement->output(i)->setType(node->output(i)->type());
    node->output(i)->replaceAllUsesWith(replacement->output(i));
  }
  node->destroy();
}

}  // namespace nacue
