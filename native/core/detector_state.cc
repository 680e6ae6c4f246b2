// See detector_state.h. Runs on the detector's thread.
#include "detector_state.h"

#include <cstring>

#include "error.h"
#include "host_copies.h"
#include "option_names.h"
#include "state/json.h"
#include "tapped_model.h"

namespace nacue {

namespace {

// The state of a fit that this detector would make, without counts, edges and samples.
FittedState Describe(const FitContext& context) {
  FittedState state;
  state.preset = NameOf(context.options.preset);
  state.binning = NameOf(context.options.binning);
  state.aggregation = NameOf(context.options.aggregation);
  state.mode = NameOf(context.plan.mode);
  if (context.plan.mode == Mode::kFast) state.precision = NameOf(context.plan.precision);
  for (size_t layer = 0; layer < context.options.layers.size(); ++layer) {
    const LayerOptions& options = context.options.layers[layer];
    StateLayer& described = state.layers.emplace_back();
    described.name = options.name;
    described.m_bins = options.m_bins;
    described.alpha = options.alpha;
    described.o_star = options.o_star;
    described.reduce = context.reduce_ids[layer];
    described.weight = options.weight;
  }
  state.input_shape = context.options.input_shape;
  state.output = context.options.output;
  state.model_sha256 = context.model_sha256;
  return state;
}

at::Tensor StoredEdges(const LayerOptions& layer, Binning binning) {
  return BinEdges(binning, layer.m_bins, at::kCPU).to(at::kFloat);
}

std::span<const uint8_t> BytesOf(const at::Tensor& tensor) {
  return {static_cast<const uint8_t*>(tensor.const_data_ptr()), tensor.nbytes()};
}

class Comparison {
 public:
  explicit Comparison(std::string subject, std::string advice = "")
      : subject_(std::move(subject)), advice_(std::move(advice)) {}

  void Expect(bool is_equal, const std::string& what, const std::string& stored, const std::string& wanted) const {
    if (is_equal) return;
    throw Error("ERR_NACUE_STATE_MISMATCH",
                "the state has " + subject_ + what + " " + stored + ", the detector " + wanted + advice_);
  }
  void Expect(const std::string& what, const std::string& stored, const std::string& wanted) const {
    Expect(stored == wanted, what, "'" + stored + "'", "'" + wanted + "'");
  }
  void Expect(const std::string& what, double stored, double wanted) const {
    Expect(stored == wanted, what, JsonText(stored), JsonText(wanted));
  }

 private:
  std::string subject_;
  std::string advice_;
};

std::string LayerNames(const FittedState& state) {
  std::string names;
  for (const StateLayer& layer : state.layers) names += (names.empty() ? "" : ", ") + layer.name;
  return names;
}

std::string OutputText(const std::optional<OutputKey>& output) {
  if (!output) return "none";
  const auto* name = std::get_if<std::string>(&*output);
  return name != nullptr ? "'" + *name + "'" : std::to_string(std::get<int64_t>(*output));
}

void CompareLayer(const StateLayer& stored, const StateLayer& wanted) {
  const Comparison compare("for layer '" + wanted.name + "' ");
  compare.Expect("mBins", static_cast<double>(stored.m_bins), static_cast<double>(wanted.m_bins));
  compare.Expect("alpha", stored.alpha, wanted.alpha);
  compare.Expect("oStar", static_cast<double>(stored.o_star), static_cast<double>(wanted.o_star));
  compare.Expect("featureReduce", stored.reduce, wanted.reduce);
  compare.Expect("weight", stored.weight, wanted.weight);
}

void Compare(const FittedState& stored, const FittedState& wanted) {
  const Comparison compare("");
  compare.Expect("preset", stored.preset, wanted.preset);
  compare.Expect("binning", stored.binning, wanted.binning);
  compare.Expect("aggregation", stored.aggregation, wanted.aggregation);
  compare.Expect("layers", LayerNames(stored), LayerNames(wanted));
  for (size_t layer = 0; layer < wanted.layers.size(); ++layer)
    CompareLayer(stored.layers[layer], wanted.layers[layer]);
  compare.Expect(stored.output == wanted.output, "output", OutputText(stored.output), OutputText(wanted.output));
  if (stored.input_shape && wanted.input_shape) {
    compare.Expect(*stored.input_shape == *wanted.input_shape, "inputShape", ShapeText(*stored.input_shape),
                   ShapeText(*wanted.input_shape));
  }
}

void CompareMode(const FittedState& stored, const FittedState& wanted) {
  const Comparison compare("", "; allowModeMismatch takes it all the same");
  compare.Expect("mode", stored.mode, wanted.mode);
  compare.Expect("precision", stored.precision, wanted.precision);
}

// Edges of another formula would give the counts another meaning; a rounding of the last bit would not.
void CompareEdges(const StateLayer& stored, const LayerOptions& layer, Binning binning) {
  const at::Tensor wanted = StoredEdges(layer, binning);
  const at::Tensor edges = at::empty_like(wanted);
  std::memcpy(edges.mutable_data_ptr(), stored.edges.data(), stored.edges.size());
  const at::Tensor tolerance = 1e-6 + 1e-4 * at::minimum(wanted, 1 - wanted).clamp_min(0);
  if ((edges - wanted).abs().le(tolerance).all().item<bool>()) return;
  throw Error("ERR_NACUE_STATE_MISMATCH", "the state has other bin edges for layer '" + layer.name + "' than '" +
                                              NameOf(binning) + "' bins with M = " + std::to_string(layer.m_bins));
}

}  // namespace

void CheckModelHash(const std::string& stored, const std::string& actual) {
  if (stored == actual) return;
  throw Error("ERR_NACUE_STATE_MISMATCH", "the state was fitted on another model file: SHA-256 " +
                                              stored.substr(0, 12) + "..., this one is " + actual.substr(0, 12) +
                                              "...; allowModelMismatch takes it all the same");
}

std::vector<uint8_t> StateOf(const Fit& fit, const FitContext& context, const std::optional<StateThreshold>& threshold,
                             const std::string& nacue_version) {
  FittedState state = Describe(context);
  const std::vector<at::Tensor> all_counts = Download(fit.counts);
  std::vector<at::Tensor> tensors;  // keeps what the spans point to
  for (size_t layer = 0; layer < state.layers.size(); ++layer) {
    const at::Tensor& counts = tensors.emplace_back(all_counts[layer].contiguous());
    state.layers[layer].neurons = counts.size(0);
    state.layers[layer].counts = BytesOf(counts);
    const at::Tensor& edges =
        tensors.emplace_back(StoredEdges(context.options.layers[layer], context.options.binning).contiguous());
    state.layers[layer].edges = BytesOf(edges);
  }
  state.execution_order = fit.execution_order;
  state.samples = fit.samples;
  state.threshold = threshold;
  state.libtorch_version = LibTorchVersion();
  state.nacue_version = nacue_version;
  return WriteState(state);
}

Fit FitFromState(const FittedState& state, const FitContext& context) {
  const FittedState wanted = Describe(context);
  Compare(state, wanted);
  if (!context.options.allow_mode_mismatch) CompareMode(state, wanted);
  Fit fit;
  for (size_t layer = 0; layer < state.layers.size(); ++layer) {
    const StateLayer& stored = state.layers[layer];
    CompareEdges(stored, context.options.layers[layer], context.options.binning);
    const at::Tensor counts = NewCounts(stored.neurons, stored.m_bins, at::kCPU);
    std::memcpy(counts.mutable_data_ptr(), stored.counts.data(), stored.counts.size());
    fit.counts.push_back(counts);
  }
  fit.samples = state.samples;
  fit.execution_order = state.execution_order;
  fit.is_restored = true;
  return fit;
}

}  // namespace nacue
