// See block_pool.h.
#include "block_pool.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <shared_mutex>

#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>  // does nothing without AddressSanitizer
#else
#define ASAN_POISON_MEMORY_REGION(begin, size)
#define ASAN_UNPOISON_MEMORY_REGION(begin, size)
#endif

namespace nacue {

namespace {

constexpr size_t kPageBytes = 1 << 21;
constexpr size_t kMostSpace = size_t{1} << 36;
constexpr size_t kBlockAlignment = 64;  // LibTorch's
constexpr size_t kGap = 64;             // behind each block: AddressSanitizer reports who writes there
constexpr uint64_t kClosed = 0;

constexpr size_t RoundUpTo(size_t step, size_t bytes) {
  return (bytes + step - 1) / step * step;
}

size_t SpaceToReserve() {
  const auto memory = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return RoundUpTo(kPageBytes, std::min(memory, kMostSpace));
}

void* Reserve(void* at, size_t bytes, int flags) {
  return mmap(at, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, /*fd=*/-1, /*offset=*/0);
}

// Every pool there is: LibTorch's raw interface tells a deleter nothing but an address. Never destroyed, because
// tensors may live as long as the process.
struct PoolList {
  struct Entry {
    uintptr_t begin;
    size_t size;
    BlockPool* pool;
  };

  static PoolList& Get() {
    static auto* const pools = new PoolList;
    return *pools;
  }

  std::shared_mutex mutex;
  std::vector<Entry> entries;
};

}  // namespace

std::shared_ptr<BlockPool> BlockPool::Create() {
  return std::shared_ptr<BlockPool>(new BlockPool);
}

// Where nothing can be reserved (ulimit -v), the pool has no room, ever.
BlockPool::BlockPool() {
  const size_t size = SpaceToReserve();
  void* const mapping = Reserve(nullptr, size + kPageBytes, /*flags=*/0);
  if (mapping == MAP_FAILED) return;
  mapping_ = static_cast<char*>(mapping);
  begin_ = mapping_ + (kPageBytes - reinterpret_cast<uintptr_t>(mapping_) % kPageBytes);
  size_ = size;
  ranges_.push_back({begin_, size_, /*is_free=*/true});
  const std::unique_lock lock(PoolList::Get().mutex);
  PoolList::Get().entries.push_back({reinterpret_cast<uintptr_t>(begin_), size_, this});
}

BlockPool::~BlockPool() {
  if (mapping_ == nullptr) return;
  {
    const std::unique_lock lock(PoolList::Get().mutex);
    std::erase_if(PoolList::Get().entries, [this](const PoolList::Entry& entry) { return entry.pool == this; });
  }
  ASAN_UNPOISON_MEMORY_REGION(begin_, last_scope_used_.size() * kPageBytes);
  munmap(mapping_, size_ + kPageBytes);
}

BlockPool* BlockPool::Of(const void* block) {
  const auto address = reinterpret_cast<uintptr_t>(block);
  const std::shared_lock lock(PoolList::Get().mutex);
  for (const PoolList::Entry& entry : PoolList::Get().entries)
    if (address - entry.begin < entry.size) return entry.pool;  // an address before it wraps around
  return nullptr;
}

void* BlockPool::Take(size_t bytes) {
  if (bytes > size_) return nullptr;
  const size_t size = RoundUpTo(kBlockAlignment, bytes) + kGap;
  const std::lock_guard lock(mutex_);
  auto best = ranges_.end();
  for (auto range = ranges_.begin(); range != ranges_.end(); ++range)
    if (range->is_free && range->size >= size && (best == ranges_.end() || range->size < best->size)) best = range;
  if (best == ranges_.end()) return nullptr;
  const Range block{best->begin, size, /*is_free=*/false};
  if (!Open(PagesOf(block))) return nullptr;
  const size_t rest = best->size - size;
  if (rest > 0) {
    best = ranges_.insert(best, block);
    best[1] = {block.begin + size, rest, /*is_free=*/true};
  }
  *best = block;
  if (used_bytes_ == 0) itself_ = shared_from_this();
  used_bytes_ += size;
  peak_bytes_ = std::max(peak_bytes_, used_bytes_);
  ASAN_UNPOISON_MEMORY_REGION(block.begin, bytes);
  ASAN_POISON_MEMORY_REGION(block.begin + bytes, size - bytes);
  return block.begin;
}

void BlockPool::GiveBack(void* block) {
  std::shared_ptr<BlockPool> last_reference;  // outlives the lock
  const std::lock_guard lock(mutex_);
  auto range = std::lower_bound(ranges_.begin(), ranges_.end(), static_cast<char*>(block),
                                [](const Range& each, const char* begin) { return each.begin < begin; });
  ASAN_POISON_MEMORY_REGION(range->begin, range->size);
  MarkUsed(PagesOf(*range));
  range->is_free = true;
  used_bytes_ -= range->size;
  const auto next = range + 1;
  if (next != ranges_.end() && next->is_free) {
    range->size += next->size;
    ranges_.erase(next);
  }
  if (range != ranges_.begin() && range[-1].is_free) {
    range[-1].size += range->size;
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
  return open_pages_ * kPageBytes;
}

// Those it has a part of.
BlockPool::Pages BlockPool::PagesOf(const Range& range) const {
  const auto begin = static_cast<size_t>(range.begin - begin_);
  return {begin / kPageBytes, RoundUpTo(kPageBytes, begin + range.size) / kPageBytes};
}

bool BlockPool::Open(Pages pages) {
  if (pages.end > last_scope_used_.size()) last_scope_used_.resize(pages.end, kClosed);
  const auto closed = std::count(&last_scope_used_[pages.first], last_scope_used_.data() + pages.end, kClosed);
  const size_t bytes = (pages.end - pages.first) * kPageBytes;
  // Without memory of their own yet: the kernel may refuse where it promises no more than it has.
  if (closed > 0 && mprotect(begin_ + pages.first * kPageBytes, bytes, PROT_READ | PROT_WRITE) != 0) return false;
  open_pages_ += static_cast<size_t>(closed);
  MarkUsed(pages);
  return true;
}

void BlockPool::MarkUsed(Pages pages) {
  std::fill(&last_scope_used_[pages.first], last_scope_used_.data() + pages.end, scope_);
}

// Closes the free pages that no block has lain in since that scope.
void BlockPool::CloseUnused(uint64_t since_scope) {
  const auto is_unused = [&](size_t page) {
    return last_scope_used_[page] != kClosed && last_scope_used_[page] < since_scope;
  };
  for (const Range& range : ranges_) {
    if (!range.is_free) continue;
    const auto begin = static_cast<size_t>(range.begin - begin_);
    const size_t end = std::min((begin + range.size) / kPageBytes, last_scope_used_.size());
    for (size_t first = RoundUpTo(kPageBytes, begin) / kPageBytes; first < end; ++first) {
      size_t last = first;
      while (last < end && is_unused(last)) ++last;
      if (last > first) Close({first, last});
      first = last;
    }
  }
}

void BlockPool::Close(Pages pages) {
  const size_t bytes = (pages.end - pages.first) * kPageBytes;
  // Without it, they stay open.
  if (Reserve(begin_ + pages.first * kPageBytes, bytes, MAP_FIXED) == MAP_FAILED) return;
  std::fill(&last_scope_used_[pages.first], last_scope_used_.data() + pages.end, kClosed);
  open_pages_ -= pages.end - pages.first;
}

}  // namespace nacue
