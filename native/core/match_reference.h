// Stage "match the reference": edits a tapped, inlined graph so that it takes the decisions that the recorded run
// takes.
#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <string>

namespace nacue {

// - is_grad_enabled() and set_grad_enabled() speak to the capture, as gradients are off before the first tap.
// - x.requires_grad and the operands of matmul and linear are as in the reference for values that depend on a trainable
// parameter.
// - An operator that acts as in training is refused (ERR_NACUE_MODEL_TRAINING); inside of a branch only when it is
// reached.
//
// True when that is not enough and the run has to be recorded from its start: some kernels differ while gradients are
// off.
bool MatchReference(const torch::jit::Module& module, torch::jit::Graph& graph);

// Throws ERR_NACUE_MODEL_TRAINING.
[[noreturn]] void ThrowTraining(const std::string& operator_name);

}  // namespace nacue
