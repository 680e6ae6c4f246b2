// See block_pool.h.
#include "block_pool.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <shared_mutex>

#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>  // nothing without AddressSanitizer
#else
#define ASAN_POISON_MEMORY_REGION(begin, size)
#define ASAN_UNPOISON_MEMORY_REGION(begin, size)
#endif

namespace nacue {

namespace {

#ifndef GAP
#define GAP 64
#endif
#ifndef ALIGN
#define ALIGN 64
#endif
#ifndef KEEP
#define KEEP 4
#endif

constexpr size_t kPage = 1 << 21;
constexpr size_t kMostSpace = size_t{1} << 36;
constexpr size_t kAlignment = ALIGN;  // LibTorch's
constexpr size_t kGap = GAP;
constexpr uint32_t kClosed = 0;
constexpr uint32_t kKeptScopes = KEEP;

constexpr size_t RoundUp(size_t bytes, size_t step) {
  return (bytes + step - 1) / step * step;
}

// Every pool there is, for the owner of a block: LibTorch's raw interface tells a deleter nothing but the address.
// Never destroyed, because tensors may live as long as the process.
struct Pools {
  static Pools& Get() {
    static auto* const pools = new Pools;
    return *pools;
  }

  struct Entry {
    std::less<const void*> precedes;
    const void* begin;
    const void* end;
    BlockPool* pool;
  };

  std::shared_mutex mutex;
  std::vector<Entry> entries;
};

}  // namespace

std::shared_ptr<BlockPool> BlockPool::Create() {
  return std::shared_ptr<BlockPool>(new BlockPool);
}

BlockPool::BlockPool() {
  const size_t memory = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t size = RoundUp(std::min(memory, kMostSpace), kPage);
  void* const mapping =
      mmap(nullptr, size + kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, /*fd=*/-1, /*offset=*/0);
  if (mapping == MAP_FAILED) return;
  mapping_ = static_cast<char*>(mapping);
  const size_t past_page = reinterpret_cast<uintptr_t>(mapping_) % kPage;
  begin_ = mapping_ + (kPage - past_page);
  size_ = size;
  ranges_.push_back({begin_, size_, /*is_free=*/true});
  const std::unique_lock lock(Pools::Get().mutex);
  Pools::Get().entries.push_back({{}, begin_, begin_ + size_, this});
}

BlockPool::~BlockPool() {
  if (mapping_ == nullptr) return;
  {
    const std::unique_lock lock(Pools::Get().mutex);
    std::erase_if(Pools::Get().entries, [this](const Pools::Entry& entry) { return entry.pool == this; });
  }
  ASAN_UNPOISON_MEMORY_REGION(begin_, last_scope_used_.size() * kPage);
  munmap(mapping_, size_ + kPage);
}

BlockPool* BlockPool::Of(const void* block) {
  const std::shared_lock lock(Pools::Get().mutex);
  for (const Pools::Entry& entry : Pools::Get().entries)
    if (!entry.precedes(block, entry.begin) && entry.precedes(block, entry.end)) return entry.pool;
  return nullptr;
}

void* BlockPool::Take(size_t bytes) {
  if (bytes > size_) return nullptr;
  const size_t size = RoundUp(bytes, kAlignment) + kGap;
  const std::lock_guard lock(mutex_);
  auto best = ranges_.end();
  for (auto range = ranges_.begin(); range != ranges_.end(); ++range)
    if (range->is_free && range->size >= size && (best == ranges_.end() || range->size < best->size)) best = range;
  if (best == ranges_.end() || !Open(best->begin, size)) return nullptr;
  if (best->size > size) {
    best = ranges_.insert(best, {best->begin, size, true});
    const auto rest = best + 1;
    rest->begin += size;
    rest->size -= size;
  }
  best->is_free = false;
  if (used_bytes_ == 0) itself_ = shared_from_this();
  used_bytes_ += size;
  peak_bytes_ = std::max(peak_bytes_, used_bytes_);
  ASAN_UNPOISON_MEMORY_REGION(best->begin, bytes);
  ASAN_POISON_MEMORY_REGION(best->begin + bytes, size - bytes);
  return best->begin;
}

void BlockPool::GiveBack(void* block) {
  std::shared_ptr<BlockPool> last_reference;  // outlives the lock
  const std::lock_guard lock(mutex_);
  auto range = std::lower_bound(ranges_.begin(), ranges_.end(), static_cast<char*>(block),
                                [](const Range& each, const char* begin) { return each.begin < begin; });
  range->is_free = true;
  used_bytes_ -= range->size;
  ASAN_POISON_MEMORY_REGION(range->begin, range->size);
  const auto next = range + 1;
  if (next != ranges_.end() && next->is_free) {
    range->size += next->size;
    ranges_.erase(next);
  }
  if (range != ranges_.begin() && (range - 1)->is_free) {
    (range - 1)->size += range->size;
    ranges_.erase(range);
  }
  if (is_retired_) CloseUnused(scope_ + 1);
  if (used_bytes_ == 0) last_reference = std::move(itself_);
}

void BlockPool::BeginScope() {
  const std::lock_guard lock(mutex_);
  if (running_scopes_++ == 0) peak_bytes_ = used_bytes_;
}

void BlockPool::EndScope() {
  const std::lock_guard lock(mutex_);
  if (--running_scopes_ > 0) return;
  ++scope_;
  if (scope_ > kKeptScopes) CloseUnused(scope_ - kKeptScopes);
}

void BlockPool::Retire() {
  const std::lock_guard lock(mutex_);
  is_retired_ = true;
  CloseUnused(scope_ + 1);
}

size_t BlockPool::peak_bytes() const {
  const std::lock_guard lock(mutex_);
  return peak_bytes_;
}

size_t BlockPool::held_bytes() const {
  const std::lock_guard lock(mutex_);
  return open_pages_ * kPage;
}

bool BlockPool::Open(const char* begin, size_t size) {
  const size_t first = static_cast<size_t>(begin - begin_) / kPage;
  const size_t last = RoundUp(static_cast<size_t>(begin - begin_) + size, kPage) / kPage;
  if (last > last_scope_used_.size()) last_scope_used_.resize(last, kClosed);
  const auto pages = last_scope_used_.begin() + static_cast<ptrdiff_t>(first);
  const auto end = last_scope_used_.begin() + static_cast<ptrdiff_t>(last);
  const auto closed = static_cast<size_t>(std::count(pages, end, kClosed));
  if (closed > 0) {
    char* const opened = begin_ + first * kPage;
    if (mprotect(opened, (last - first) * kPage, PROT_READ | PROT_WRITE) != 0) return false;
#ifdef HUGE
    madvise(opened, (last - first) * kPage, MADV_HUGEPAGE);
#endif
    open_pages_ += closed;
  }
  std::fill(pages, end, scope_);
  return true;
}

// Of the free pages, those that no block has touched since that scope.
void BlockPool::CloseUnused(uint32_t since_scope) {
  for (const Range& range : ranges_) {
    if (!range.is_free) continue;
    const auto begin = static_cast<size_t>(range.begin - begin_);
    const size_t end = std::min((begin + range.size) / kPage, last_scope_used_.size());
    for (size_t first = RoundUp(begin, kPage) / kPage; first < end; ++first) {
      size_t last = first;
      while (last < end && last_scope_used_[last] != kClosed && last_scope_used_[last] < since_scope) ++last;
      if (last == first) continue;
      ClosePages(first, last);
      first = last;
    }
  }
}

void BlockPool::ClosePages(size_t first, size_t last) {
  void* const mapping = mmap(begin_ + first * kPage, (last - first) * kPage, PROT_NONE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, /*fd=*/-1, /*offset=*/0);
  if (mapping == MAP_FAILED) return;  // they stay open
  std::fill(last_scope_used_.begin() + static_cast<ptrdiff_t>(first),
            last_scope_used_.begin() + static_cast<ptrdiff_t>(last), kClosed);
  open_pages_ -= last - first;
}

}  // namespace nacue
