// NAC-UE end to end: the stages of pipeline.h around a model, its counts and its options. Plain C++ types on this side,
// so that the binding compiles without LibTorch.
//
// Rules of this class:
//  1. Everything but AllocateBatch, CopyCounts and CurrentStatus runs on the one thread that loaded it.
//  2. A fit is all or nothing: FitBatch adds to pending counts, CommitFit makes them the committed ones. Until then,
//  and after
//     AbortFit or an Error, scores and counts are those of the last commit.
//  3. Committed counts are never written to; a commit replaces them under the mutex, when they are computed: any thread
//  and any stream of the device may read them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "options.h"
#include "state/fitted_state.h"

namespace nacue {

class Search;
struct SearchCandidate;

struct LayerStatus {
  std::string name;
  std::optional<int64_t> neurons;                    // N, known once a batch was seen
  std::optional<std::vector<int64_t>> output_shape;  // without the batch dimension
};

// What was chosen for the options and this machine.
struct ExecutionPlan {
  Mode mode = Mode::kParity;
  Precision precision = Precision::kFloat32;
  bool channels_last = false;
  bool splits_batches = false;
  bool frozen = false;  // the model's attributes are constants of its graph
  int64_t folded_batch_norms = 0;
  std::optional<int64_t> chunk_size;  // nothing: whole batches, or not yet measured
};

struct DetectorStatus {
  std::string device;
  std::vector<LayerStatus> layers;
  std::string model_sha256;
  bool fitted = false;
  int64_t samples = 0;
  ExecutionPlan plan;
};

// explain.h - of one layer, per sample: (B, K), the least covered neurons first.
struct LayerExplanation {
  int64_t neurons_per_sample = 0;  // K
  std::vector<int32_t> neurons;
  std::vector<int32_t> bins;
  std::vector<float> coverage;  // phi in [0, 1]
  std::vector<float> cost;      // what the neuron adds to the score
};

struct ScoreResult {
  std::vector<float> scores;                   // (B,), larger = more out-of-distribution
  std::vector<float> layer_scores;             // (L, B) coverage per layer, in the order of the options
  std::vector<float> logits;                   // (B, C)
  std::vector<LayerExplanation> explanations;  // per layer, where asked for
  int64_t batch_size = 0;
  int64_t classes = 0;
};

// q of each layer, in the order of the options: (B, N) row-major.
struct ContributionsResult {
  std::vector<std::vector<float>> layers;
  std::vector<int64_t> neurons;
  int64_t batch_size = 0;
};

struct CountsCopy {
  std::vector<int64_t> data;  // (N, M)
  int64_t neurons = 0;
  int64_t m_bins = 0;
};

class Detector {
 public:
  // Loads the model, finds the layers and, when options.input_shape is known, runs one sample of zeros to check all of
  // it.
  static std::unique_ptr<Detector> Load(const ModelSource& model, DetectorOptions options);
  virtual ~Detector() = default;

  // Memory for the values of a batch, which the device copies from best.
  virtual HostMemory AllocateBatch(size_t bytes) const = 0;

  virtual void BeginFit(bool from_zero) = 0;
  virtual void FitBatch(const Batch& batch) = 0;
  // Throws ERR_NACUE_EMPTY_FIT when no sample came since BeginFit; on CUDA also ERR_NACUE_NON_FINITE, for what FitBatch
  // did not wait for.
  virtual void CommitFit() = 0;
  virtual void AbortFit() = 0;

  // With the `explain` least covered neurons of each layer and sample. Throws ERR_NACUE_NOT_FITTED before the first
  // commit.
  virtual ScoreResult Score(const Batch& batch, int64_t explain) = 0;
  // Needs no fit.
  virtual ContributionsResult Contribute(const Batch& batch) = 0;
  // The same, kept for a search; see search/search.h.
  virtual void Collect(const Batch& batch, Search& search, size_t set) = 0;
  // The state of a detector with the options that a search has found.
  virtual std::vector<uint8_t> State(const Search& search, const SearchCandidate& candidate,
                                     const std::string& nacue_version) const = 0;
  // NAC-ME per layer, in [0, 1].
  virtual std::vector<double> Coverage() const = 0;

  // Counts do not depend on O*: one value per layer.
  virtual void SetOStar(const std::vector<int64_t>& o_star) = 0;

  // docs/state-format.md
  virtual std::vector<uint8_t> State(const std::optional<StateThreshold>& threshold,
                                     const std::string& nacue_version) const = 0;
  // Replaces the committed counts; on failure nothing has changed.
  virtual void Restore(std::span<const uint8_t> state) = 0;

  // Moves the model and the committed counts; on failure everything stays where it was.
  virtual void MoveTo(const std::string& device) = 0;

  virtual CountsCopy CopyCounts(size_t layer) const = 0;
  virtual DetectorStatus CurrentStatus() const = 0;
};

// inspect_model.cc - every submodule with its type and, given the shape of one sample, its calls and output in one
// forward().
struct ModuleReport {
  std::string path;
  std::string type;
  std::optional<int64_t> calls;  // nothing when it depends on the input and no shape was given
  std::optional<std::string> output_type;
  std::optional<std::vector<int64_t>> output_shape;  // without the batch dimension
};
std::vector<ModuleReport> InspectModel(const ModelSource& model,
                                       const std::optional<std::vector<int64_t>>& input_shape);

// "2.11.0"
std::string LibTorchVersion();

}  // namespace nacue
