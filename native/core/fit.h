// What a fit holds, on the detector's device.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

namespace nacue {

struct Fit {
  std::vector<at::Tensor> counts;  // per layer (N, M) int64
  int64_t samples = 0;
  std::vector<size_t> execution_order;  // of the layers, by index
  bool is_restored = false;             // read from a state file
};

}  // namespace nacue
