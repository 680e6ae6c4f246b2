// See contribution_store.h.
#include "contribution_store.h"

#include <memory>
#include <utility>

namespace nacue {

ContributionStore::ContributionStore(size_t layers, size_t sets, size_t memory_limit, std::string folder)
    : stores_(sets, std::vector<RowStore>(layers)), memory_limit_(memory_limit), folder_(std::move(folder)) {}

void ContributionStore::Append(size_t set, const std::vector<at::Tensor>& contributions) {
  for (size_t layer = 0; layer < contributions.size(); ++layer) stores_[set][layer].Append(contributions[layer]);
  if (is_on_disk_ || BytesInMemory() <= memory_limit_) return;
  const auto file = std::make_shared<SpillFile>(folder_);
  is_on_disk_ = true;
  for (auto& layers : stores_) {
    for (RowStore& store : layers) store.Spill(file);
  }
}

size_t ContributionStore::BytesInMemory() const {
  size_t bytes = 0;
  for (const auto& layers : stores_) {
    for (const RowStore& store : layers) bytes += store.bytes_in_memory();
  }
  return bytes;
}

}  // namespace nacue
