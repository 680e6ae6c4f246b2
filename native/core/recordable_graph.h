// Whether a recording of what a model does on the device (graphed_passes.h) is all that it does.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

namespace nacue {

// Not where it writes to its attributes, draws random numbers or has effects beside its results: a repetition would
// skip what the host has a part in. What makes the host wait for the device fails while it is recorded.
bool IsRecordable(const torch::jit::Graph& graph);

}  // namespace nacue
