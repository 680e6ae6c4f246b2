// The contributions of one layer to one set of samples, in memory or, after Spill(), in a file.
//
// Batches stay what they were: the last bit of a mean depends on where in its batch a sample stands, so that only the
// same batches give a detector's very numbers. One thread at a time; ForEachBatch may run beside itself.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "spill_file.h"

namespace nacue {

class RowStore {
 public:
  // (B, N); all batches have the same N. Throws ERR_NACUE_SPILL.
  void Append(const at::Tensor& batch);

  // Moves all batches to the file, and later ones as they come. Throws ERR_NACUE_SPILL.
  void Spill(std::shared_ptr<SpillFile> file);

  void ForEachBatch(const std::function<void(const at::Tensor&)>& visit) const;

  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  size_t bytes_in_memory() const { return bytes_in_memory_; }

 private:
  struct Stored {
    at::Tensor values;   // in memory
    int64_t offset = 0;  // in the file
    int64_t rows = 0;
    at::ScalarType type = at::kFloat;
  };
  void MoveToFile(Stored& batch);

  std::vector<Stored> batches_;
  std::shared_ptr<SpillFile> file_;
  int64_t rows_ = 0;
  int64_t columns_ = 0;
  size_t bytes_in_memory_ = 0;
};

}  // namespace nacue
