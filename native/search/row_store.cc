// See row_store.h.
#include "row_store.h"

#include <utility>

namespace nacue {

void RowStore::Append(const at::Tensor& batch) {
  columns_ = batch.size(1);
  rows_ += batch.size(0);
  // A tensor of its own: a view would keep all of what it looks at.
  const at::Tensor values = batch.to(at::kCPU).clone(at::MemoryFormat::Contiguous);
  Stored& stored = batches_.emplace_back(Stored{values, 0, batch.size(0), batch.scalar_type()});
  bytes_in_memory_ += values.nbytes();
  if (file_) MoveToFile(stored);
}

void RowStore::Spill(std::shared_ptr<SpillFile> file) {
  file_ = std::move(file);
  for (Stored& batch : batches_) MoveToFile(batch);
}

void RowStore::MoveToFile(Stored& batch) {
  batch.offset = file_->Append(batch.values);
  bytes_in_memory_ -= batch.values.nbytes();
  batch.values.reset();
}

void RowStore::ForEachBatch(const std::function<void(const at::Tensor&)>& visit) const {
  for (const Stored& batch : batches_) {
    if (batch.values.defined()) {
      visit(batch.values);
      continue;
    }
    const at::Tensor values = at::empty({batch.rows, columns_}, batch.type);
    file_->Read(batch.offset, values);
    visit(values);
  }
}

}  // namespace nacue
