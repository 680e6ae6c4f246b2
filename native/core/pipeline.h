// The computation as a table of contents: one function per stage, in the order the data flows.
//
//   model bytes -> Module -> TappedGraph -> (logits, z, gradient) -> contributions -> bin indices -> counts | coverage
//   -> scores
//
// Each stage lives in the file named beside it and knows nothing of the one after it. Shapes use the paper's letters: B
// samples, C classes, N neurons of a layer, M bins of a layer, L layers. Reference: pytorch_ood.detector.NACUE 0.4.0
// (detector/nac.py); every operation below is the one it calls, on tensors of the same layout, which is what makes the
// results bit-identical.
#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "options.h"

namespace nacue {

// load_model.cc - checks the archive, loads it on the CPU and puts it in eval mode.
torch::jit::Module LoadModel(const ModelSource& source);

// instrument_graph.cc - a copy of forward()'s graph, wholly inlined, that hands the output of each wanted module to the
// current TapCapture (tap_op.h), and otherwise decides as the reference does (match_reference.h). Runs on the plain
// interpreter: eager kernels, no fusion.
struct TapSites {
  int64_t reachable = 0;          // call sites that forward() can reach
  int64_t certain = 0;            // those outside of any branch or loop
  std::string other_output_type;  // static type of the output where it is no Tensor, else empty
};
struct TappedGraph {
  std::shared_ptr<torch::jit::Graph> graph;
  std::vector<TapSites> sites;  // per layer
  bool must_record_from_start = false;
};
TappedGraph InstrumentGraph(const torch::jit::Module& module, const std::vector<std::string>& layers);

// forward_backward.cc - one forward and one backward, whatever the number of layers (recipe (a) of the reference):
//   p = softmax(logits), loss = sum_b -mean_c log(p_bc + 1e-12), gradient_l = d loss / d z_l
struct Activations {
  at::Tensor logits;                 // (B, C)
  std::vector<at::Tensor> z;         // per layer (B, ...)
  std::vector<at::Tensor> gradient;  // per layer, shape of z
  std::vector<size_t> execution_order;
};
class ForwardBackward {
 public:
  ForwardBackward(const torch::jit::Module& module, const std::vector<std::string>& layers,
                  std::optional<OutputKey> output);
  ~ForwardBackward();
  Activations Run(const at::Tensor& batch);
  // Moves the model and the constants of its graph.
  void MoveTo(c10::Device device);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// contributions.cc - q = reduce(z * gradient): (B, N). 2-D as it is, 4-D mean over dims 2 and 3, anything else
// flattened from dim 1.
at::Tensor Contributions(const at::Tensor& z, const at::Tensor& gradient);

// bin_indices.cc - sigmoid(alpha * q) cut into M bins: (B, N) int64 in [0, M - 1].
at::Tensor GeometricEdges(int64_t m_bins, c10::Device device);
at::Tensor BinIndices(const at::Tensor& contributions, const LayerOptions& layer, Binning binning,
                      const at::Tensor& edges);

// coverage.cc - the histogram of a fit, and what share of it a batch falls on.
at::Tensor NewCounts(int64_t neurons, int64_t m_bins, c10::Device device);  // (N, M) int64 zeros
void AddCounts(at::Tensor& counts, const at::Tensor& bin_indices);
at::Tensor LayerCoverage(const at::Tensor& counts, const at::Tensor& bin_indices,
                         int64_t o_star);  // (B,) float32 in [0, 1]

}  // namespace nacue
