// Stage "freeze", fast mode: the attributes that a wholly inlined graph reads become its constants, and what follows
// from them is computed now: branches on `training`, reshaped weights.
#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <memory>

namespace nacue {

// False when the model may write to its attributes or switches gradients off: the graph then stays as it is.
bool FreezeGraph(const torch::jit::Module& module, std::shared_ptr<torch::jit::Graph>& graph);

}  // namespace nacue
