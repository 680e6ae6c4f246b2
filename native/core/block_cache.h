// Memory of a batch, kept for the next one.
//
// A pass makes and drops some gigabytes of activations. From malloc, most of their pages go back to the kernel at once
// and are faulted in again with zeros: a tenth of the time of a ResNet-18. Within a Scope, large tensors of the calling
// thread come from the detector's own pool instead; the bits of what is computed do not depend on it.
//
// 1. A tensor may outlive its scope, its cache and its thread.
// 2. Only tensors of kSmallestBlock bytes and more are kept, and counted.
// 3. Where the pool has no room, LibTorch's own allocator is asked, whose error says what is wrong.
#pragma once

#include <cstddef>
#include <memory>

#include "block_pool.h"

namespace nacue {

constexpr size_t kSmallestBlock = 1 << 17;  // below it malloc is as good

class BlockCache {
 public:
  // Large allocations of this thread come from the cache until the scope ends. Scopes nest.
  class Scope {
   public:
    explicit Scope(BlockCache& cache);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    std::shared_ptr<BlockPool> pool_;
    BlockPool* outer_;
  };

  BlockCache();
  ~BlockCache();
  BlockCache(const BlockCache&) = delete;
  BlockCache& operator=(const BlockCache&) = delete;

  // The most bytes in use at once in the scope that runs, or else the last one. Any thread.
  size_t peak_bytes() const { return pool_->peak_bytes(); }
  // What is taken from the kernel, in use or not. Any thread.
  size_t held_bytes() const { return pool_->held_bytes(); }

 private:
  std::shared_ptr<BlockPool> pool_;
};

}  // namespace nacue
