// The C interface of nacue_cuda.so, the one part of nacue that needs libtorch_cuda when it is linked: CUDA graphs.
// core/pass_graphs.cc looks it up at run time; without it passes run eagerly.
//
// 1. No exception crosses it: a failure is `false` or null, and a line of text in `problem`.
// 2. One call of `record` at a time in a process: all use one stream per device.
// 3. A pool is used by one thread at a time; its graphs are replayed on one stream, one after the other.
#pragma once

#include <cstddef>

extern "C" {

struct NacueGraphPool;  // memory that the passes recorded in it share
struct NacueGraph;      // a recorded pass

struct NacueProblem {
  char text[512];
};

struct NacuePassGraphFunctions {
  int interface_version;         // kPassGraphInterface
  const char* libtorch_version;  // it was compiled for

  NacueGraphPool* (*open_pool)(int device, NacueProblem* problem);
  void (*close_pool)(NacueGraphPool* pool);

  // Calls `pass` twice, first to run and then to be recorded, on a stream that is current meanwhile. `pass` says
  // whether it came to its end.
  NacueGraph* (*record)(NacueGraphPool* pool, bool (*pass)(void* context), void* context, NacueProblem* problem);
  // Queues it on the calling thread's current stream.
  bool (*replay)(NacueGraph* graph, NacueProblem* problem);
  void (*drop)(NacueGraphPool* pool, NacueGraph* graph);
};

}  // extern "C"

constexpr int kPassGraphInterface = 1;
constexpr const char* kPassGraphSymbol = "nacue_pass_graph_functions";  // const NacuePassGraphFunctions* ()
