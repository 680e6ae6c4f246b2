// Stage "fuse": puts operators of our own in the place of LibTorch's where they do the same with fewer passes over
// memory (batch_norm.h, max_pool.h).
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include "options.h"

namespace nacue {

// In fast mode max_pool2d alone: most batch norms are folded into convolutions there.
void FuseOperators(torch::jit::Graph& graph, Mode mode);

}  // namespace nacue
