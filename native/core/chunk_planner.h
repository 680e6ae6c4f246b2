// How many samples go through the model at once: a number, or as many as a limit of memory allows.
//
// A pass over n samples takes about a + b n bytes at its peak; two passes, over one sample and over two, tell a and b.
#pragma once

#include <ATen/ATen.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <vector>

#include "options.h"

namespace nacue {

// Samples of a batch that run together.
struct BatchPart {
  int64_t first = 0;
  int64_t count = 0;
  int64_t skipped = 0;  // of them, those that the part before has
};

class ChunkPlanner {
 public:
  explicit ChunkPlanner(const DetectorOptions& options);

  // Whether the memory of samples of this shape is still unknown.
  bool MustMeasure(at::IntArrayRef batch_shape) const;
  void Remember(at::IntArrayRef batch_shape, size_t peak_of_one, size_t peak_of_two);

  // Two samples at least, where the batch has them. Kernels share samples out among threads: each part is a multiple of
  // their number where that is possible, the last one by beginning within the one before.
  std::vector<BatchPart> Parts(at::IntArrayRef batch_shape) const;

  // After a batch ran out of memory: false when no smaller parts can be tried.
  bool Halve(at::IntArrayRef batch_shape);

 private:
  struct Memory {
    double fixed;
    double per_sample;
  };
  int64_t SamplesAtOnce(at::IntArrayRef batch_shape) const;
  int64_t WithinLimit(at::IntArrayRef batch_shape) const;

  const ChunkSize chunk_size_;
  const int64_t memory_limit_;
  const int64_t threads_;
  int64_t most_ = std::numeric_limits<int64_t>::max();
  std::map<std::vector<int64_t>, Memory> memory_;  // by the shape of a sample
};

}  // namespace nacue
