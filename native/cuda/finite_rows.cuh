// Which rows of (B, K) values hold neither NaN nor infinity: (B,) bool, a block per row.
#pragma once

#include "device_values.cuh"

namespace nacue {

template <typename T>
NACUE_DEVICE void CheckRow(const T* values, bool* is_finite, int64_t row_size) {
  NACUE_SHARED int found;
  if (ThreadInBlock() == 0) found = 0;
  SyncBlock();
  const T* const row = values + Block() * row_size;
  bool is_whole = true;
  for (int64_t i = ThreadInBlock(); i < row_size; i += kThreadsPerBlock) is_whole &= IsFinite(Widen(row[i]));
  // All write the same.
  if (!is_whole) found = 1;
  SyncBlock();
  if (ThreadInBlock() == 0) is_finite[Block()] = found == 0;
}

}  // namespace nacue
