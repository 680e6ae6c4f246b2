// See pooled_product.h. Takes the product part by part, each small enough for a core's cache, with LibTorch's own
// operators on a buffer that is used again.
//
// Why the bits are those of mean(z * gradient): LibTorch adds up a neuron of a sample in an order that depends on K, on
// which side of N it lies and, with the neurons innermost, on where a thread's share of them begins. A part holds whole
// rows of K or whole samples, so only that last point needs care.
#include "pooled_product.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "parallel_ranges.h"

namespace nacue {

namespace {

constexpr int64_t kPartBytes = 256 * 1024;

bool Pools(Reduce reduce, int64_t dimensions) {
  switch (reduce) {
    case Reduce::kAuto:
      return dimensions == 4;
    case Reduce::kMeanTokens:
      return dimensions == 3;
    case Reduce::kMean:
    case Reduce::kSum:
    case Reduce::kChannelsLast:
      return dimensions > 2;
    default:
      return false;
  }
}

bool LeavesAll(Reduce reduce, int64_t dimensions) {
  switch (reduce) {
    case Reduce::kFlatten:
      return true;
    case Reduce::kAuto:
      return dimensions != 4;
    case Reduce::kMean:
    case Reduce::kSum:
    case Reduce::kMaxAbs:
    case Reduce::kChannelsLast:
      return dimensions == 2;
    default:
      return false;
  }
}

bool AreAlike(const at::Tensor& z, const at::Tensor& gradient) {
  return z.device() == gradient.device() && z.scalar_type() == gradient.scalar_type();
}

// (B, N, K), or nothing.
std::optional<at::Tensor> NeuronsOutermost(const at::Tensor& value, bool neurons_last) {
  const at::Tensor moved = neurons_last ? value.movedim(-1, 1) : value;
  if (!moved.is_contiguous()) return std::nullopt;
  return moved.flatten(2);
}

// (B, K, N), or nothing.
std::optional<at::Tensor> NeuronsInnermost(const at::Tensor& value, bool neurons_last) {
  const at::Tensor moved = neurons_last ? value : value.movedim(1, -1);
  if (!moved.is_contiguous()) return std::nullopt;
  return moved.flatten(1, -2);
}

// LibTorch gives each thread some samples, or, where they are too few, some neurons of each.
bool SharesOutSamples(const PooledOperands& operands) {
  return at::in_parallel_region() || operands.samples() >= at::get_num_threads();
}

void PoolPart(const at::Tensor& product, const PooledOperands& operands, at::Tensor q) {
  const int64_t dimension = operands.neurons_innermost ? 1 : product.dim() - 1;
  if (operands.averages) {
    at::mean_out(q, product, dimension);
  } else {
    at::sum_out(q, product, dimension);
  }
}

}  // namespace

std::optional<PooledOperands> PooledOperandsOf(const at::Tensor& z, const at::Tensor& gradient, Reduce reduce) {
  if (!Pools(reduce, z.dim()) || !AreAlike(z, gradient)) return std::nullopt;
  const bool averages = reduce != Reduce::kSum;
  const bool neurons_last = reduce == Reduce::kMeanTokens || reduce == Reduce::kChannelsLast;
  for (const bool innermost : {false, true}) {
    const auto lay_out = innermost ? NeuronsInnermost : NeuronsOutermost;
    const std::optional<at::Tensor> z_view = lay_out(z, neurons_last);
    if (!z_view) continue;
    const std::optional<at::Tensor> gradient_view = lay_out(gradient, neurons_last);
    if (gradient_view) return PooledOperands{*z_view, *gradient_view, innermost, averages};
  }
  return std::nullopt;
}

std::optional<PooledOperands> UnpooledOperandsOf(const at::Tensor& z, const at::Tensor& gradient, Reduce reduce) {
  const bool leaves_all = LeavesAll(reduce, z.dim()) && AreAlike(z, gradient);
  if (!leaves_all || !z.is_contiguous() || !gradient.is_contiguous()) return std::nullopt;
  return PooledOperands{z.flatten(1).unsqueeze(1), gradient.flatten(1).unsqueeze(1), /*neurons_innermost=*/true,
                        /*averages=*/false};
}

std::optional<at::Tensor> ExactPooledProduct(const PooledOperands& operands) {
  const int64_t outputs = operands.samples() * operands.neurons();
  // A single output is summed by all threads together.
  const bool has_same_order = operands.neurons_innermost ? SharesOutSamples(operands) : outputs > 1;
  if (!has_same_order) return std::nullopt;
  const auto rows = [&](const at::Tensor& value) {
    return operands.neurons_innermost ? value : value.flatten(0, 1);  // (B, K, N) or (B N, K)
  };
  const at::Tensor z = rows(operands.z);
  const at::Tensor gradient = rows(operands.gradient);
  const int64_t row_bytes = static_cast<int64_t>(z.nbytes()) / std::max<int64_t>(z.size(0), 1);
  const int64_t rows_per_part = std::clamp<int64_t>(kPartBytes / std::max<int64_t>(row_bytes, 1), 1, z.size(0));

  at::Tensor q = at::empty({operands.samples(), operands.neurons()}, z.options());
  const at::Tensor q_rows = operands.neurons_innermost ? q : q.view(-1);
  std::vector<int64_t> buffer_shape = z.sizes().vec();
  buffer_shape[0] = rows_per_part;
  buffer_shape.insert(buffer_shape.begin(), RangeCount(z.size(0), rows_per_part));
  const at::Tensor buffers = at::empty(buffer_shape, z.options());
  ForEachRange(z.size(0), rows_per_part, [&](int64_t range, int64_t begin, int64_t end) {
    const at::Tensor buffer = buffers.select(0, range);
    for (int64_t first = begin; first < end; first += rows_per_part) {
      const int64_t count = std::min(rows_per_part, end - first);
      at::Tensor product = count == rows_per_part ? buffer : buffer.narrow(0, 0, count);
      at::mul_out(product, z.narrow(0, first, count), gradient.narrow(0, first, count));
      PoolPart(product, operands, q_rows.narrow(0, first, count));
    }
  });
  return q;
}

}  // namespace nacue
