// Address space that is handed out in blocks. Knows nothing of LibTorch; any thread.
//
// 1. The space is reserved once and costs nothing; pages of 2 MiB are opened where blocks come to lie.
// 2. A block goes to the smallest free range that fits, neighbours are joined: the same pass finds the same places
// again.
// 3. Pages that no block touched in the last scopes are closed, which returns their memory to the kernel.
// 4. A pool lives as long as any of its blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace nacue {

class BlockPool : public std::enable_shared_from_this<BlockPool> {
 public:
  static std::shared_ptr<BlockPool> Create();
  // Whose block it is: null for memory from elsewhere.
  static BlockPool* Of(const void* block);

  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // Aligned to 64 bytes. Null where there is no room, or the kernel gives no more.
  void* Take(size_t bytes);
  void GiveBack(void* block);

  void BeginScope();
  void EndScope();
  // No scope follows: what is free is closed, now and as blocks come back.
  void Retire();

  size_t peak_bytes() const;
  size_t held_bytes() const;

 private:
  struct Range {
    char* begin;
    size_t size;
    bool is_free;
  };

  BlockPool();
  bool Open(const char* begin, size_t size);
  void CloseUnused(uint32_t since_scope);
  void ClosePages(size_t first, size_t last);

  char* mapping_ = nullptr;
  char* begin_ = nullptr;  // the first whole page of the mapping
  size_t size_ = 0;

  mutable std::mutex mutex_;
  std::vector<Range> ranges_;              // all of the space, in order of address
  std::vector<uint32_t> last_scope_used_;  // per page, kClosed where it is
  uint32_t scope_ = 1;
  int running_scopes_ = 0;
  bool is_retired_ = false;
  size_t open_pages_ = 0;
  size_t used_bytes_ = 0;
  size_t peak_bytes_ = 0;
  std::shared_ptr<BlockPool> itself_;  // while any block is in use
};

}  // namespace nacue
