// A batch through the model, as a whole or in parts: (B, ...) on the host -> logits and contributions.
//
// A batch that is split gives the bits that it gives as a whole (row_places.h), where the kernels of the model's other
// operators compute a sample alike whatever else is in the batch.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "block_cache.h"
#include "chunk_planner.h"
#include "graphed_passes.h"
#include "passed_samples.h"
#include "pipeline.h"

namespace nacue {

class BatchPass {
 public:
  BatchPass(const torch::jit::Module& module, const std::vector<LayerAddress>& addresses,
            const DetectorOptions& options, c10::Device device);

  // Throws ERR_NACUE_NON_FINITE where the options ask for it; on CUDA the caller does, by what is `finite`.
  BatchContributions Run(const Batch& batch);
  // Of one sample of zeros.
  BatchContributions Try(const std::vector<int64_t>& sample_shape);

  void MoveTo(c10::Device device);
  // With what the model and the batches so far have settled.
  ExecutionPlan plan() const;
  // Per layer, as the state file names them.
  const std::vector<std::string>& reduce_ids() const { return reduce_ids_; }

 private:
  std::optional<BatchContributions> TryRun(const Batch& batch);
  BatchContributions RunParts(const Batch& batch);
  BatchContributions RunPart(const Batch& batch, const BatchPart& part);
  BatchContributions RunSamples(ForwardBackward& model, const at::Tensor& batch);
  bool MayRecord(const Batch& batch, const BatchPart& part) const;
  bool CanTryAgain(const Batch& batch);
  void Measure(const Batch& batch);

  void OpenGraphs();
  std::unique_ptr<ForwardBackward> MakeForwardBackward(const ExecutionPlan& plan) const;
  // Before the first batch: leaves bfloat16 for more digits where nobody asked for it and it serves this model badly.
  void SettlePrecision(at::IntArrayRef batch_shape);
  // Nothing where the model fails on noise, or has an operator that does not know the precision.
  std::optional<std::vector<at::Tensor>> TrialContributions(ForwardBackward& model, const at::Tensor& batch);

  const DetectorOptions& options_;
  const torch::jit::Module module_;
  const std::vector<LayerAddress>& addresses_;
  c10::Device device_;
  std::unique_ptr<ForwardBackward> forward_backward_;
  std::optional<GraphedPasses> graphs_;  // of that model, on that device
  bool is_settled_;
  std::vector<Reducer> reducers_;        // per layer
  std::vector<std::string> reduce_ids_;  // per layer
  ChunkPlanner chunks_;
  std::optional<int64_t> plan_chunk_;  // of the last batch
  BlockCache cache_;
};

}  // namespace nacue
