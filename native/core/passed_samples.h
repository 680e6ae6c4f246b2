// What one forward and one backward leave of a batch, or of a part of it.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

namespace nacue {

struct BatchContributions {
  at::Tensor logits;                                // (B, C)
  std::vector<at::Tensor> layers;                   // q, per layer (B, N)
  std::vector<std::vector<int64_t>> output_shapes;  // of z, per layer, without the batch
  std::vector<size_t> execution_order;
  // Which rows of logits and q are finite: (B,) bool, for the caller to look at along with its results (RefuseRows).
  // Undefined where nobody asked for it, or where it was looked at already, as on the CPU.
  at::Tensor finite;
};

}  // namespace nacue
