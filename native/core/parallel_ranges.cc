// See parallel_ranges.h. Any thread.
#include "parallel_ranges.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/TensorIterator.h>

#include <algorithm>

namespace nacue {

int64_t RangeCount(int64_t size, int64_t least) {
  return std::clamp<int64_t>(size / std::max<int64_t>(least, 1), 1, at::get_num_threads());
}

void ForEachRange(int64_t size, int64_t least, const std::function<void(int64_t, int64_t, int64_t)>& run) {
  const int64_t ranges = RangeCount(size, least);
  if (ranges == 1) return run(0, 0, size);
  // One element per range: an iterator is what LibTorch spreads over its threads for others.
  at::Tensor elements = at::empty({ranges}, at::kByte);
  const auto* const first = static_cast<const char*>(elements.const_data_ptr());
  at::TensorIterator iterator = at::TensorIterator::nullary_op(elements);
  iterator.for_each(
      [&](char** data, const int64_t* /*strides*/, int64_t count, int64_t /*of one dimension*/) {
        for (int64_t range = data[0] - first; count > 0; ++range, --count)
          run(range, size * range / ranges, size * (range + 1) / ranges);
      },
      /*grain_size=*/1);
}

}  // namespace nacue
