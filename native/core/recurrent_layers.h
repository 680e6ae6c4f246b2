// LSTM, GRU and RNN on CUDA: cuDNN computes a backward pass only of a forward pass in training mode, and refuses it
// otherwise ("cudnn RNN backward can only be called in training mode"; so does the reference, in eval mode).
//
// Training mode without dropout computes the same values, so that is what they get there. On the CPU nothing changes.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

namespace nacue {

// In a wholly inlined graph.
void TrainRecurrentLayersOnCuda(torch::jit::Graph& graph);

}  // namespace nacue
