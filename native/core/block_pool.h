// Address space that is handed out in blocks. Knows nothing of LibTorch; any thread.
//
// 1. The space is reserved once, without memory; pages of 2 MiB are opened where blocks come to lie.
// 2. A block goes to the smallest free range that fits, free neighbours are joined: a pass like the one before finds
// the
//    same places again.
// 3. Pages in which no block lay during the last kKeptScopes scopes are closed: their memory returns to the kernel.
// 4. A pool lives as long as any of its blocks. A forked child must not use it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace nacue {

class BlockPool : public std::enable_shared_from_this<BlockPool> {
 public:
  static constexpr uint64_t kKeptScopes = 4;

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

  struct Pages {
    size_t first;
    size_t end;
  };

  BlockPool();
  Pages PagesOf(const Range& range) const;
  bool Open(Pages pages);
  void MarkUsed(Pages pages);
  void CloseUnused(uint64_t since_scope);
  void Close(Pages pages);

  char* mapping_ = nullptr;
  char* begin_ = nullptr;  // the first whole page of the mapping
  size_t size_ = 0;

  mutable std::mutex mutex_;
  std::vector<Range> ranges_;              // all of the space, in order of address
  std::vector<uint64_t> last_scope_used_;  // per page; kClosed, or nothing past the last one opened, where it is closed
  uint64_t scope_ = 1;
  int running_scopes_ = 0;
  bool is_retired_ = false;
  size_t open_pages_ = 0;
  size_t used_bytes_ = 0;
  size_t peak_bytes_ = 0;
  std::shared_ptr<BlockPool> itself_;  // while any block is in use
};

}  // namespace nacue
