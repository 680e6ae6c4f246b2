// Stage "score": the contributions of a batch and the counts of a fit -> what detector.score() returns.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "batch_pass.h"
#include "detector.h"
#include "fit.h"

namespace nacue {

// Throws ERR_NACUE_NON_FINITE where batch.finite says so. `edges` are per layer those of BinEdges. With the `explain`
// least covered neurons of each sample and layer.
ScoreResult ScoreBatch(const BatchContributions& batch, const Fit& fit, const DetectorOptions& options,
                       const std::vector<at::Tensor>& edges, int64_t explain);

// Of a tensor on the host.
std::vector<float> Values(const at::Tensor& host);

}  // namespace nacue
