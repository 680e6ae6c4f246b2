// NAC-UE end to end: the stages of pipeline.h around a model, its counts and its options. Plain C++ types on this side,
// so that the binding compiles without LibTorch.
//
// Rules of this class:
//  1. Everything but CopyCounts and CurrentStatus runs on the one thread that constructed it.
//  2. A fit is all or nothing: FitBatch adds to pending counts, CommitFit makes them the committed ones. Until then,
//  and after
//     AbortFit or an Error, scores and counts are those of the last commit.
//  3. Committed counts are never written to; a commit replaces them under the mutex.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "options.h"

namespace nacue {

struct LayerStatus {
  std::string name;
  std::optional<int64_t> neurons;                    // N, known once a batch was seen
  std::optional<std::vector<int64_t>> output_shape;  // without the batch dimension
};

struct DetectorStatus {
  std::string device;
  std::vector<LayerStatus> layers;
  bool fitted = false;
  int64_t samples = 0;
};

struct ScoreResult {
  std::vector<float> scores;        // (B,), larger = more out-of-distribution, in [-L, 0]
  std::vector<float> layer_scores;  // (L, B) coverage per layer, in the order of the options
  std::vector<float> logits;        // (B, C)
  int64_t batch_size = 0;
  int64_t classes = 0;
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
  Detector(const ModelSource& model, DetectorOptions options);
  ~Detector();

  void BeginFit(bool from_zero);
  void FitBatch(const Batch& batch);
  // Throws ERR_NACUE_EMPTY_FIT when no sample came since BeginFit.
  void CommitFit();
  void AbortFit();

  // Throws ERR_NACUE_NOT_FITTED before the first commit.
  ScoreResult Score(const Batch& batch);

  // Moves the model and the committed counts; on failure everything stays where it was.
  void MoveTo(const std::string& device);

  CountsCopy CopyCounts(size_t layer) const;
  DetectorStatus CurrentStatus() const;

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
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
