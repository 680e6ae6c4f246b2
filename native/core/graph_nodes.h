// A walk over the nodes of a graph, also those of inner blocks, inner ones first. A visit may destroy the node it gets.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

namespace nacue {

// `visit` gets each node, and whether it runs in every forward().
template <typename Visit>
void ForEachNode(torch::jit::Block* block, const Visit& visit, bool is_certain = true) {
  for (auto it = block->nodes().begin(); it != block->nodes().end();) {
    torch::jit::Node* const node = *it++;
    for (torch::jit::Block* inner : node->blocks()) ForEachNode(inner, visit, /*is_certain=*/false);
    visit(node, is_certain);
  }
}

}  // namespace nacue
