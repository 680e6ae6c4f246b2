// Stage "row places", parity mode with a chunk size: a batch may go through the model in parts without moving a bit.
//
// Convolutions, norms and products over tokens work sample by sample. A product of two matrices (B, I) x (I, O), such
// as a classifier's last layer, does not: which instructions compute a row depends on the number of rows and on its
// place among them. So each sample of a part gets the row that it has in the whole batch; the others are zero.
#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/jit/ir/ir.h>

#include <cstdint>

namespace nacue {

// Puts operators around the products of a wholly inlined graph that place rows within a PartOfBatch, and otherwise hand
// on what they get.
void KeepRowPlaces(torch::jit::Graph& graph);

// While it lives, the samples that this thread runs are `count` of a batch of `batch_size`, from `first` on.
class PartOfBatch {
 public:
  PartOfBatch(int64_t first, int64_t count, int64_t batch_size);
  ~PartOfBatch();
  PartOfBatch(const PartOfBatch&) = delete;
  PartOfBatch& operator=(const PartOfBatch&) = delete;

  static const PartOfBatch* Current();
  int64_t first() const { return first_; }
  int64_t count() const { return count_; }
  int64_t batch_size() const { return batch_size_; }

 private:
  const int64_t first_;
  const int64_t count_;
  const int64_t batch_size_;
};

// What the operators do: rows (B', I) -> (B, I), and the product of these -> the part's own rows of it.
at::Tensor PlaceRows(const at::Tensor& rows);
at::Tensor TakeRows(const at::Tensor& product, const at::Tensor& rows);

}  // namespace nacue
