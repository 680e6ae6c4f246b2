// libFuzzer target for the state file (npm run test:fuzz): any bytes are refused with a code and a readable line, or
// are a state that survives writing and that merges with itself into twice the counts. Reading takes at most twice the
// file and a fixed amount of memory. What breaks that traps.
#include <sanitizer/allocator_interface.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "core/error.h"
#include "state/fitted_state.h"
#include "state/state_metadata.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace nacue {

namespace {

constexpr size_t kFixedMemory = 512 << 10;

void Require(bool holds) {
  if (!holds) __builtin_trap();
}

void RequireRefusal(const Error& error, std::initializer_list<const char*> codes) {
  const std::string message = error.what();
  Require(std::any_of(codes.begin(), codes.end(), [&](const char* code) { return error.code() == code; }));
  Require(std::all_of(message.begin(), message.end(), [](char c) { return c >= ' ' && c <= '~'; }));
  Require(message.size() < 600);
}

bool SameBytes(std::span<const uint8_t> a, std::span<const uint8_t> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

void RequireSame(const FittedState& a, const FittedState& b) {
  Require(WriteStateMetadata(a) == WriteStateMetadata(b) && a.layers.size() == b.layers.size());
  for (size_t layer = 0; layer < a.layers.size(); ++layer) {
    Require(a.layers[layer].neurons == b.layers[layer].neurons);
    Require(SameBytes(a.layers[layer].counts, b.layers[layer].counts));
    Require(SameBytes(a.layers[layer].edges, b.layers[layer].edges));
  }
}

void RequireDoubled(const FittedState& state, const FittedState& merged) {
  Require(merged.samples == 2 * state.samples && !merged.threshold);
  Require(merged.layers.size() == state.layers.size());
  for (size_t layer = 0; layer < state.layers.size(); ++layer) {
    const auto counts = state.layers[layer].counts;
    const auto sums = merged.layers[layer].counts;
    Require(counts.size() == sums.size());
    for (size_t offset = 0; offset < counts.size(); offset += sizeof(int64_t)) {
      int64_t count = 0;
      int64_t sum = 0;
      std::memcpy(&count, counts.data() + offset, sizeof(count));
      std::memcpy(&sum, sums.data() + offset, sizeof(sum));
      Require(sum == 2 * count);
    }
  }
}

void CheckMerge(std::span<const uint8_t> bytes, const FittedState& state) {
  try {
    const auto merged = MergeStates({bytes, bytes});
    RequireDoubled(state, ReadState(merged));
  } catch (const Error& error) {  // too many samples
    RequireRefusal(error, {"ERR_NACUE_STATE_INVALID"});
    Require(state.samples > (int64_t{1} << 52) - 1);
  }
}

// While it lives, its thread has at most `limit` bytes more in use than when it began.
class AllocationLimit {
 public:
  explicit AllocationLimit(size_t limit) {
    static const int is_installed = __sanitizer_install_malloc_and_free_hooks(OnMalloc, OnFree);
    Require(is_installed != 0);
    live_ = 0;
    limit_ = static_cast<int64_t>(limit);
  }
  AllocationLimit(const AllocationLimit&) = delete;
  ~AllocationLimit() { limit_ = kNone; }

 private:
  static constexpr int64_t kNone = INT64_MAX;

  static void OnMalloc(const volatile void*, size_t size) {
    if (limit_ == kNone) return;
    live_ += static_cast<int64_t>(size);
    Require(live_ <= limit_);
  }

  static void OnFree(const volatile void* memory) {
    if (limit_ != kNone && memory) live_ -= static_cast<int64_t>(__sanitizer_get_allocated_size(memory));
  }

  static thread_local int64_t live_;
  static thread_local int64_t limit_;
};

thread_local int64_t AllocationLimit::live_ = 0;
thread_local int64_t AllocationLimit::limit_ = AllocationLimit::kNone;

FittedState ReadWithinLimit(std::span<const uint8_t> bytes) {
  const AllocationLimit limit(2 * bytes.size() + kFixedMemory);
  return ReadState(bytes);
}

void CheckBytes(std::span<const uint8_t> bytes) {
  FittedState state;
  try {
    state = ReadWithinLimit(bytes);
  } catch (const Error& error) {
    RequireRefusal(error, {"ERR_NACUE_STATE_FORMAT", "ERR_NACUE_STATE_VERSION", "ERR_NACUE_STATE_INVALID"});
    return;
  }
  const auto written = WriteState(state);
  const FittedState again = ReadState(written);
  RequireSame(state, again);
  Require(WriteState(again) == written);
  CheckMerge(bytes, state);
}

}  // namespace

}  // namespace nacue

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<uint8_t> bytes(size + 1);  // from its second byte: no address is aligned
  std::copy(data, data + size, bytes.begin() + 1);
  nacue::CheckBytes(std::span<const uint8_t>(bytes).subspan(1));
  return 0;
}

// Half of the time changes the header alone and corrects its length, which any insertion would break.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  uint64_t header_size = 0;
  if (seed % 2 == 0 || size < sizeof(header_size)) return LLVMFuzzerMutate(data, size, max_size);
  std::memcpy(&header_size, data, sizeof(header_size));
  if (header_size > size - sizeof(header_size)) return LLVMFuzzerMutate(data, size, max_size);
  uint8_t* const header = data + sizeof(header_size);
  const std::vector<uint8_t> tensors(header + header_size, data + size);
  header_size = LLVMFuzzerMutate(header, header_size, max_size - sizeof(header_size) - tensors.size());
  std::memcpy(data, &header_size, sizeof(header_size));
  std::copy(tensors.begin(), tensors.end(), header + header_size);
  return sizeof(header_size) + header_size + tensors.size();
}
