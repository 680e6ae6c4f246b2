// Which neurons take a sample's score up.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

#include "detector.h"

namespace nacue {

// Per sample the `k` least covered neurons of a layer, least first, ties by index; fewer when the layer has fewer.
// `neuron_coverage` and `bin_indices` are (B, N), `factor` is what the layer's mean is multiplied with in the score: a
// neuron costs factor * (1 - phi) / N, and the costs of all neurons of all layers add up to the score's distance from
// its minimum.
LayerExplanation Explain(const at::Tensor& neuron_coverage, const at::Tensor& bin_indices, int64_t k, double factor);

}  // namespace nacue
