// The computation as a table of contents: one function per stage, in the order the data flows.
//
//   model bytes -> Module -> TappedGraph -> (logits, z, gradient) -> contributions -> bin indices -> counts | coverage
//   -> scores
//
// Each stage lives in the file named beside it and knows nothing of the one after it. Shapes use the paper's letters: B
// samples, C classes, N neurons of a layer, M bins of a layer, L layers.
//
// Two references, see Preset in options.h. (a) pytorch_ood.detector.NACUE 0.4.0 (detector/nac.py): every operation is
// the one it calls, on tensors of the same layout, which is what makes the results bit-identical. (b) the authors' own
// code, BierOne/ood_coverage (openood/postprocessors/nac): equal counts, scores within 1e-6.
#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "execution_plan.h"
#include "layer_address.h"
#include "options.h"
#include "tap_op.h"

namespace nacue {

// load_model.cc - checks the archive, loads it on the CPU and puts it in eval mode.
struct LoadedModel {
  torch::jit::Module module;
  std::string sha256;  // of the very bytes that were loaded
};
LoadedModel LoadModel(const ModelSource& source);

// instrument_graph.cc - a copy of forward()'s graph, wholly inlined, that hands the output of each wanted module to the
// current TapCapture (tap_op.h). tapped_model.h makes it decide as the reference does (match_reference.h) and runs it
// on the plain interpreter: eager kernels, no fusion.
struct TapSites {
  int64_t reachable = 0;          // call sites that forward() can reach
  int64_t certain = 0;            // those outside of any branch or loop
  std::string other_output_type;  // static type of the output where it is no Tensor, else empty
};
struct TappedGraph {
  std::shared_ptr<torch::jit::Graph> graph;
  std::vector<TapTarget> targets;  // per layer
  std::vector<TapSites> sites;     // per wanted module
  bool must_record_from_start = false;
};
TappedGraph InstrumentGraph(const torch::jit::Module& module, const std::vector<LayerAddress>& layers);

// optimize_graph.h - fast mode: frozen, folded, in another precision and layout.

// forward_backward.cc - one forward and one backward, whatever the number of layers: gradient_l = d loss / d z_l
//   (a) p = softmax(logits), loss = sum_b -mean_c log(p_bc + 1e-12)
//   (b) loss = sum_b sum_c -1/C log_softmax(logits)_bc
struct Activations {
  at::Tensor logits;                 // (B, C)
  std::vector<at::Tensor> z;         // per layer (B, ...)
  std::vector<at::Tensor> gradient;  // per layer, shape of z
  std::vector<size_t> execution_order;
};
class ForwardBackward {
 public:
  ForwardBackward(const torch::jit::Module& module, const std::vector<LayerAddress>& layers, Preset preset,
                  std::optional<OutputKey> output, const ExecutionPlan& plan);
  ~ForwardBackward();
  // Records as little as possible: more after the first batch that needs it, and from then on.
  Activations Run(const at::Tensor& batch);
  // Moves the model and the constants of its graph.
  void MoveTo(c10::Device device);
  const ExecutionPlan& plan() const;
  // Whether graphed_passes.h may have its passes.
  bool is_recordable() const;

 private:
  struct State;
  Activations RunOnce(const at::Tensor& batch);
  std::unique_ptr<State> state_;
};

// reduce.cc - a layer's (B, ...) -> (B, N).
class Reducer {
 public:
  // Loads layer.reduce_module where there is one; `path` is that of the layer's module.
  Reducer(const LayerOptions& layer, std::string path, Preset preset);
  ~Reducer();
  Reducer(Reducer&&) noexcept;
  at::Tensor operator()(const at::Tensor& value) const;
  void MoveTo(c10::Device device);
  Reduce reduce() const { return reduce_; }
  // As the state file names it: "auto", "module:" and the SHA-256 of its file.
  const std::string& id() const { return id_; }

 private:
  class Module;
  Preset preset_;
  Reduce reduce_;
  std::string layer_;
  std::string path_;
  std::string id_;
  std::unique_ptr<Module> module_;
};

// contributions.cc - q (B, N): (a) reduce(z * gradient); (b) reduce(z) * reduce(gradient). In fast mode float32
// whatever the model computes in.
at::Tensor Contributions(const at::Tensor& z, const at::Tensor& gradient, Preset preset, const Reducer& reduce,
                         Mode mode = Mode::kParity);

// bin_indices.cc - zhat = sigmoid(alpha * q) cut into M bins: (B, N) int64 in [0, M - 1].
at::Tensor BinEdges(Binning binning, int64_t m_bins, c10::Device device);  // (E,), see docs/state-format.md
at::Tensor BinIndices(const at::Tensor& contributions, const LayerOptions& layer, Preset preset, Binning binning,
                      const at::Tensor& edges);

// coverage.cc - the histogram of a fit, and what share of it a batch falls on.
at::Tensor NewCounts(int64_t neurons, int64_t m_bins, c10::Device device);  // (N, M) int64 zeros
void AddCounts(at::Tensor& counts, const at::Tensor& bin_indices);
at::Tensor Hits(const at::Tensor& counts, const at::Tensor& bin_indices);  // count of each neuron's bin, (B, N) float32
at::Tensor NeuronCoverage(const at::Tensor& hits, int64_t o_star);         // phi = min(count / O*, 1): (B, N)
at::Tensor NeuronCoverage(const at::Tensor& counts, const at::Tensor& bin_indices, int64_t o_star);  // both in one
at::Tensor LayerCoverage(const at::Tensor& neuron_coverage);  // its mean over the neurons: (B,) float32 in [0, 1]
at::Tensor LayerCoverage(const at::Tensor& counts, const at::Tensor& bin_indices, int64_t o_star);  // all in one
// NAC-ME: mean over neurons of sum_bins min(count / O*, 1) / M, in [0, 1]
double ModelCoverage(const at::Tensor& counts, int64_t o_star);

// aggregate.cc - coverage of the layers (L, B), in execution order, with their weights -> scores (B,), larger = more
// out-of-distribution
at::Tensor Scores(const at::Tensor& coverage, const std::vector<double>& weights, Aggregation aggregation);
// What a layer's coverage is multiplied with in the score.
std::vector<double> LayerFactors(const std::vector<double>& weights, Aggregation aggregation);

}  // namespace nacue
