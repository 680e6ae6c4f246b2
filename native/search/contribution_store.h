// The contributions of every layer to the samples that a search works on: the fit, the ID samples and the OOD sets.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "row_store.h"

namespace nacue {

class ContributionStore {
 public:
  // Set 0 is the fit, set 1 the ID samples, the OOD sets follow. Beyond `memory_limit` bytes everything goes to a file
  // in `folder`.
  ContributionStore(size_t layers, size_t sets, size_t memory_limit, std::string folder);

  // Per layer (B, N), with the same N in every batch. Throws ERR_NACUE_SPILL.
  void Append(size_t set, const std::vector<at::Tensor>& contributions);

  const RowStore& rows(size_t layer, size_t set) const { return stores_[set][layer]; }
  int64_t samples(size_t set) const { return stores_[set].front().rows(); }
  size_t sets() const { return stores_.size(); }
  bool is_on_disk() const { return is_on_disk_; }

 private:
  size_t BytesInMemory() const;

  std::vector<std::vector<RowStore>> stores_;  // by set, by layer
  size_t memory_limit_;
  std::string folder_;
  bool is_on_disk_ = false;
};

}  // namespace nacue
