// See contribution_store.h.
#include "contribution_store.h"

#include <utility>

namespace nacue {

ContributionStore::ContributionStore(size_t layers, size_t sets, size_t memory_limit, std::string folder)
    : memory_limit_(memory_limit), folder_(std::move(folder)) {
  for (size_t set = 0; set < sets; ++set) stores_.emplace_back(layers);
}

void ContributionStore::Append(size_t set, const std::vector<at::Tensor>& contributions) {
  size_t in_memory = 0;
  for (size_t layer = 0; layer < contributions.size(); ++layer) stores_[set][layer].Append(contributions[layer]);
  for (const auto& layers : stores_) {
    for (const RowStore& store : layers) in_memory += store.bytes_in_memory();
  }
  if (is_on_disk_ || in_memory <= memory_limit_) return;
  is_on_disk_ = true;
  for (auto& layers : stores_) {
    for (RowStore& store : layers) store.Spill(folder_);
  }
}

}  // namespace nacue
