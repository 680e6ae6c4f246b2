// CUDA graphs, from nacue_cuda.so (native/cuda/), which lies beside the addon where it was built.
#pragma once

#include <c10/core/Device.h>

#include <memory>
#include <mutex>
#include <string>

#include "cuda/pass_graph_functions.h"
#include "graphed_passes.h"

namespace nacue {

// Nothing where there are no CUDA graphs: on the CPU, without nacue_cuda.so, or with one made for another LibTorch.
std::unique_ptr<PassRecorder> OpenPassGraphs(c10::Device device);

// Of a library: null where it cannot be opened or does not fit. `flags` are those of dlopen.
const NacuePassGraphFunctions* PassGraphFunctionsOf(const std::string& library, int flags);

// While a pass is recorded, LibTorch must not give memory back to the driver: whoever does either takes this turn.
std::unique_lock<std::mutex> RecordingTurn();

}  // namespace nacue
