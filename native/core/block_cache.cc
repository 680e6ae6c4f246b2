// See block_cache.h.
#include "block_cache.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>

#include <utility>

namespace nacue {

namespace {

thread_local BlockPool* current_pool = nullptr;

c10::DeleterFnPtr delete_otherwise = nullptr;

void EndUse(void* block) {
  BlockPool* const pool = BlockPool::Of(block);
  if (pool != nullptr)
    pool->GiveBack(block);
  else
    delete_otherwise(block);
}

// The allocator that was there, except for large blocks within a scope.
class ScopedAllocator final : public c10::Allocator {
 public:
  explicit ScopedAllocator(c10::Allocator* otherwise) : otherwise_(otherwise) {}

  c10::DataPtr allocate(size_t bytes) override {
    void* const data = bytes < kSmallestBlock || current_pool == nullptr ? nullptr : current_pool->Take(bytes);
    if (data == nullptr) return otherwise_->allocate(bytes);
    // oneDNN wants a block's context to be the block itself.
    return {data, data, &EndUse, c10::Device(c10::DeviceType::CPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &EndUse; }

  void copy_data(void* target, const void* source, size_t bytes) const override {
    otherwise_->copy_data(target, source, bytes);
  }

 private:
  c10::Allocator* const otherwise_;
};

// While the addon is opened, because LibTorch reads the allocator without a lock; another copy of the addon wraps this
// one.
[[maybe_unused]] const bool is_installed = [] {
  c10::Allocator* const otherwise = c10::GetCPUAllocator();
  delete_otherwise = otherwise->raw_deleter();
  if (delete_otherwise == nullptr) return false;
  c10::SetCPUAllocator(new ScopedAllocator(otherwise), /*priority=*/1);
  return true;
}();

}  // namespace

BlockCache::BlockCache() : pool_(BlockPool::Create()) {}

BlockCache::~BlockCache() {
  pool_->Retire();
}

BlockCache::Scope::Scope(BlockCache& cache) : pool_(cache.pool_), outer_(std::exchange(current_pool, pool_.get())) {
  pool_->BeginScope();
}

BlockCache::Scope::~Scope() {
  current_pool = outer_;
  pool_->EndScope();
}

}  // namespace nacue
