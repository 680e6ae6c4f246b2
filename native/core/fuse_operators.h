// Stage "fuse": puts operators of our own in the place of LibTorch's where they do the same with fewer passes over
// memory (batch_norm.h, convolution.h, max_pool.h).
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include "options.h"

namespace nacue {

// Batch norms in parity mode, convolutions of constants in fast mode, where most batch norms are folded into them.
void FuseOperators(torch::jit::Graph& graph, Mode mode);

}  // namespace nacue
