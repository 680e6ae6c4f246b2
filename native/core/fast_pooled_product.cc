// FastPooledProduct of pooled_product.h: one pass over z and gradient, nothing of their size in between.
//
// Sums run in lanes that the compiler turns into vectors, and in blocks: no partial sum takes more than a few hundred
// products, so that the error stays near that of pairwise addition whatever K is.
#include <ATen/Parallel.h>

#include <algorithm>

#include "bfloat16_bits.h"
#include "parallel_ranges.h"
#include "pooled_product.h"
#include "wide_vectors.h"

namespace nacue {

namespace {

template <int kLanes, typename T>
NACUE_INTO_CALLER void AddProducts(const T* z, const T* gradient, float* sums) {
  for (int lane = 0; lane < kLanes; ++lane) sums[lane] += Widen(z[lane]) * Widen(gradient[lane]);
}

template <int kLanes>
NACUE_INTO_CALLER float SumOfLanes(float* lanes) {
  for (int width = kLanes / 2; width > 0; width /= 2)
    for (int lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
  return lanes[0];
}

template <typename T>
NACUE_INTO_CALLER float RowProduct(const T* z, const T* gradient, int64_t count) {
  constexpr int kLanes = 32;
  constexpr int64_t kBlock = 256 * kLanes;
  float total = 0;
  int64_t i = 0;
  while (count - i >= kLanes) {
    float lanes[kLanes] = {};
    const int64_t block_end = std::min(count, i + kBlock);
    for (; block_end - i >= kLanes; i += kLanes) AddProducts<kLanes>(z + i, gradient + i, lanes);
    total += SumOfLanes<kLanes>(lanes);
  }
  for (; i < count; ++i) AddProducts<1>(z + i, gradient + i, &total);
  return total;
}

template <typename T>
NACUE_INTO_CALLER void RowProducts(const T* z, const T* gradient, int64_t rows, int64_t pooled, float* sums) {
  for (int64_t row = 0; row < rows; ++row) sums[row] = RowProduct(z + row * pooled, gradient + row * pooled, pooled);
}

// Of `rows` rows of one sample, `neurons` apart, from `column` on as many blocks of kColumns as fit. Returns where they
// end.
template <int kColumns, typename T>
NACUE_INTO_CALLER int64_t AddColumnBlocks(const T* z, const T* gradient, int64_t rows, int64_t neurons, int64_t column,
                                          int64_t columns, float* sums) {
  for (; columns - column >= kColumns; column += kColumns) {
    float block[kColumns] = {};
    for (int64_t row = 0; row < rows; ++row)
      AddProducts<kColumns>(z + row * neurons + column, gradient + row * neurons + column, block);
    for (int i = 0; i < kColumns; ++i) sums[column + i] += block[i];
  }
  return column;
}

template <typename T>
NACUE_INTO_CALLER void ColumnProducts(const T* z, const T* gradient, int64_t pooled, int64_t neurons, int64_t columns,
                                      float* sums) {
  constexpr int64_t kRows = 64;
  std::fill_n(sums, columns, 0.0F);
  for (int64_t row = 0; row < pooled; row += kRows) {
    const int64_t rows = std::min(kRows, pooled - row);
    const T* const z_rows = z + row * neurons;
    const T* const gradient_rows = gradient + row * neurons;
    int64_t column = AddColumnBlocks<64>(z_rows, gradient_rows, rows, neurons, 0, columns, sums);
    column = AddColumnBlocks<8>(z_rows, gradient_rows, rows, neurons, column, columns, sums);
    AddColumnBlocks<1>(z_rows, gradient_rows, rows, neurons, column, columns, sums);
  }
}

// What is compiled once per kind of vectors: overloads, because templates cannot be.
NACUE_WIDE_VECTORS void SumRows(const float* z, const float* gradient, int64_t rows, int64_t pooled, float* sums) {
  RowProducts(z, gradient, rows, pooled, sums);
}
NACUE_WIDE_VECTORS void SumRows(const Bfloat16Bits* z, const Bfloat16Bits* gradient, int64_t rows, int64_t pooled,
                                float* sums) {
  RowProducts(z, gradient, rows, pooled, sums);
}
NACUE_WIDE_VECTORS void SumColumns(const float* z, const float* gradient, int64_t pooled, int64_t neurons,
                                   int64_t columns, float* sums) {
  ColumnProducts(z, gradient, pooled, neurons, columns, sums);
}
NACUE_WIDE_VECTORS void SumColumns(const Bfloat16Bits* z, const Bfloat16Bits* gradient, int64_t pooled, int64_t neurons,
                                   int64_t columns, float* sums) {
  ColumnProducts(z, gradient, pooled, neurons, columns, sums);
}

constexpr int64_t kProductsPerTask = 32 * 1024;

template <typename T>
void SumNeuronsOutermost(const PooledOperands& operands, const T* z, const T* gradient, float* sums) {
  const int64_t pooled = operands.pooled();
  const int64_t rows_per_task = kProductsPerTask / std::max<int64_t>(pooled, 1) + 1;
  ForEachRange(operands.samples() * operands.neurons(), rows_per_task,
               [&](int64_t /*range*/, int64_t begin, int64_t end) {
                 SumRows(z + begin * pooled, gradient + begin * pooled, end - begin, pooled, sums + begin);
               });
}

// Threads share out the samples; where those are too few, ranges of neurons as well.
template <typename T>
void SumNeuronsInnermost(const PooledOperands& operands, const T* z, const T* gradient, float* sums) {
  constexpr int64_t kAlignedColumns = 64;
  const int64_t pooled = operands.pooled();
  const int64_t neurons = operands.neurons();
  const int64_t wanted = operands.samples() >= at::get_num_threads() ? 1 : at::get_num_threads();
  const int64_t width = (neurons / wanted + kAlignedColumns) / kAlignedColumns * kAlignedColumns;
  const int64_t ranges = (neurons + width - 1) / width;
  const int64_t products = pooled * std::min(width, neurons);
  const int64_t ranges_per_task = kProductsPerTask / std::max<int64_t>(products, 1) + 1;
  ForEachRange(operands.samples() * ranges, ranges_per_task, [&](int64_t /*range*/, int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t sample = task / ranges;
      const int64_t column = task % ranges * width;
      const int64_t first = sample * pooled * neurons + column;
      SumColumns(z + first, gradient + first, pooled, neurons, std::min(width, neurons - column),
                 sums + sample * neurons + column);
    }
  });
}

template <typename T>
void Sum(const PooledOperands& operands, at::Tensor& q) {
  const auto* const z = static_cast<const T*>(operands.z.const_data_ptr());
  const auto* const gradient = static_cast<const T*>(operands.gradient.const_data_ptr());
  auto* const sums = q.mutable_data_ptr<float>();
  if (operands.neurons_innermost) {
    SumNeuronsInnermost(operands, z, gradient, sums);
  } else {
    SumNeuronsOutermost(operands, z, gradient, sums);
  }
}

}  // namespace

at::Tensor FastPooledProduct(const PooledOperands& operands) {
  at::Tensor q = at::empty({operands.samples(), operands.neurons()}, operands.z.options().dtype(at::kFloat));
  if (operands.z.scalar_type() == at::kBFloat16) {
    Sum<Bfloat16Bits>(operands, q);
  } else {
    Sum<float>(operands, q);
  }
  if (!operands.averages) return q;
  const auto pooled = static_cast<float>(operands.pooled());
  auto* const means = q.mutable_data_ptr<float>();
  std::for_each(means, means + q.numel(), [&](float& mean) { mean /= pooled; });
  return q;
}

}  // namespace nacue
