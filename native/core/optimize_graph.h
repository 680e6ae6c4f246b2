// Stage "optimise", fast mode: a tapped graph that computes nearly the same in less time.
//
//   freeze_graph -> batch norms folded into convolutions and linear layers -> weights in the plan's precision and
//   layout
//
// What stands between a convolution and its batch norm keeps them apart: a tap, a second use.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include "detector.h"
#include "pipeline.h"

namespace nacue {

// Sets what of the plan depends on the graph. A graph that cannot be frozen runs as it is, in the plan's precision.
void OptimizeGraph(const torch::jit::Module& module, TappedGraph& tapped, ExecutionPlan& plan);

}  // namespace nacue
