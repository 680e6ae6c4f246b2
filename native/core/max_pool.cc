// See max_pool.h. Runs on the detector's thread, called by the interpreter.
#include "max_pool.h"

#include <ATen/core/grad_mode.h>
#include <ATen/native/Pool.h>

#include <algorithm>
#include <array>
#include <limits>

#include "bfloat16_bits.h"
#include "parallel_ranges.h"
#include "wide_vectors.h"

namespace nacue {

namespace {

// Along one dimension.
struct Windows {
  int64_t size;
  int64_t kernel;
  int64_t stride;
  int64_t padding;
  int64_t count;

  int64_t Begin(int64_t window) const { return std::max<int64_t>(window * stride - padding, 0); }
  int64_t End(int64_t window) const { return std::min(window * stride - padding + kernel, size); }
};

constexpr float kLeast = -std::numeric_limits<float>::infinity();

NACUE_INTO_CALLER float Larger(float candidate, float largest) {
  return (candidate > largest) | (candidate != candidate) ? candidate : largest;
}

// One row of the windows of a plane. kStride is 0 for any.
template <int kStride>
NACUE_INTO_CALLER void PoolRow(const float* plane, const Windows& rows, const Windows& columns, int64_t window,
                               float* __restrict pooled) {
  const int64_t stride = kStride == 0 ? columns.stride : kStride;
  std::fill_n(pooled, columns.count, kLeast);
  for (int64_t row = rows.Begin(window); row < rows.End(window); ++row) {
    for (int64_t step = 0; step < columns.kernel; ++step) {
      // Of the windows whose element `step` lies inside of the plane.
      const int64_t offset = step - columns.padding;
      const int64_t begin = offset < 0 ? (-offset + stride - 1) / stride : 0;
      const int64_t end = std::min(columns.count, (columns.size - 1 - offset + stride) / stride);
      const float* const __restrict elements = plane + row * columns.size + offset;
      for (int64_t i = begin; i < end; ++i) pooled[i] = Larger(elements[i * stride], pooled[i]);
    }
  }
}

NACUE_WIDE_VECTORS void PoolPlane(const float* plane, const Windows& rows, const Windows& columns, float* pooled) {
  for (int64_t window = 0; window < rows.count; ++window, pooled += columns.count) {
    if (columns.stride == 1)
      PoolRow<1>(plane, rows, columns, window, pooled);
    else if (columns.stride == 2)
      PoolRow<2>(plane, rows, columns, window, pooled);
    else
      PoolRow<0>(plane, rows, columns, window, pooled);
  }
}

NACUE_INTO_CALLER void Narrow(float value, float* narrow) {
  *narrow = value;
}
NACUE_INTO_CALLER void Narrow(float value, Bfloat16Bits* narrow) {
  narrow->bits = static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16);
}

// A pixel of the result, from channel `channel` on as many blocks of kLanes as fit. Returns where they end.
template <int kLanes, typename T>
NACUE_INTO_CALLER int64_t PoolChannels(const T* image, int64_t channel, int64_t channels, const Windows& rows,
                                       const Windows& columns, int64_t row_window, int64_t column_window, T* pooled) {
  for (; channels - channel >= kLanes; channel += kLanes) {
    float largest[kLanes];
    std::fill_n(largest, kLanes, kLeast);
    for (int64_t row = rows.Begin(row_window); row < rows.End(row_window); ++row) {
      for (int64_t column = columns.Begin(column_window); column < columns.End(column_window); ++column) {
        const T* const elements = image + (row * columns.size + column) * channels + channel;
        for (int lane = 0; lane < kLanes; ++lane) largest[lane] = Larger(Widen(elements[lane]), largest[lane]);
      }
    }
    for (int lane = 0; lane < kLanes; ++lane) Narrow(largest[lane], pooled + channel + lane);
  }
  return channel;
}

// One row of the windows of an image whose channels lie innermost.
template <typename T>
NACUE_INTO_CALLER void PoolPixels(const T* image, int64_t channels, const Windows& rows, const Windows& columns,
                                  int64_t window, T* pooled) {
  for (int64_t pixel = 0; pixel < columns.count; ++pixel, pooled += channels) {
    int64_t channel = PoolChannels<32>(image, 0, channels, rows, columns, window, pixel, pooled);
    channel = PoolChannels<8>(image, channel, channels, rows, columns, window, pixel, pooled);
    PoolChannels<1>(image, channel, channels, rows, columns, window, pixel, pooled);
  }
}

NACUE_WIDE_VECTORS void PoolRowOfPixels(const float* image, int64_t channels, const Windows& rows,
                                        const Windows& columns, int64_t window, float* pooled) {
  PoolPixels(image, channels, rows, columns, window, pooled);
}
NACUE_WIDE_VECTORS void PoolRowOfPixels(const Bfloat16Bits* image, int64_t channels, const Windows& rows,
                                        const Windows& columns, int64_t window, Bfloat16Bits* pooled) {
  PoolPixels(image, channels, rows, columns, window, pooled);
}

void PoolPlanes(const at::Tensor& input, const Windows& rows, const Windows& columns, const at::Tensor& output) {
  const auto* const elements = input.const_data_ptr<float>();
  auto* const pooled = output.mutable_data_ptr<float>();
  ForEachRange(input.size(0) * input.size(1), 1, [&](int64_t /*range*/, int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      PoolPlane(elements + plane * rows.size * columns.size, rows, columns,
                pooled + plane * rows.count * columns.count);
    }
  });
}

template <typename T>
void PoolImages(const at::Tensor& input, const Windows& rows, const Windows& columns, const at::Tensor& output) {
  const auto* const elements = static_cast<const T*>(input.const_data_ptr());
  auto* const pooled = static_cast<T*>(output.mutable_data_ptr());
  const int64_t channels = input.size(1);
  ForEachRange(input.size(0) * rows.count, 1, [&](int64_t /*range*/, int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      PoolRowOfPixels(elements + row / rows.count * rows.size * columns.size * channels, channels, rows, columns,
                      row % rows.count, pooled + row * columns.count * channels);
    }
  });
}

// Of rows and of columns; nothing for what LibTorch has to look at.
std::optional<std::array<Windows, 2>> WindowsOf(const at::Tensor& input, at::IntArrayRef kernel_size,
                                                at::IntArrayRef stride, at::IntArrayRef padding,
                                                at::IntArrayRef dilation, bool ceil_mode) {
  const auto is_pair = [](at::IntArrayRef values) { return values.size() == 2; };
  if (!is_pair(kernel_size) || !is_pair(padding) || !is_pair(dilation)) return std::nullopt;
  const at::IntArrayRef strides = stride.empty() ? kernel_size : stride;
  if (!is_pair(strides) || dilation[0] != 1 || dilation[1] != 1) return std::nullopt;
  std::array<Windows, 2> windows = {};
  for (size_t i = 0; i < 2; ++i) {
    const bool is_usual = kernel_size[i] > 0 && strides[i] > 0 && padding[i] >= 0 && padding[i] <= kernel_size[i] / 2;
    if (!is_usual) return std::nullopt;
    const int64_t size = input.size(2 + static_cast<int64_t>(i));
    const auto count =
        at::native::pooling_output_shape<int64_t>(size, kernel_size[i], padding[i], strides[i], 1, ceil_mode);
    if (count < 1) return std::nullopt;
    windows[i] = {size, kernel_size[i], strides[i], padding[i], count};
  }
  return windows;
}

bool Fits(const at::Tensor& input) {
  const bool is_recorded = at::GradMode::is_enabled() && input.requires_grad();
  return input.is_cpu() && input.layout() == at::kStrided && input.dim() == 4 && input.numel() > 0 && !is_recorded;
}

}  // namespace

at::Tensor MaxPool2d(const at::Tensor& input, at::IntArrayRef kernel_size, at::IntArrayRef stride,
                     at::IntArrayRef padding, at::IntArrayRef dilation, bool ceil_mode) {
  const auto with_libtorch = [&] { return at::max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode); };
  if (!Fits(input)) return with_libtorch();
  const auto windows = WindowsOf(input, kernel_size, stride, padding, dilation, ceil_mode);
  if (!windows) return with_libtorch();
  const auto& [rows, columns] = *windows;
  const at::MemoryFormat layout = input.suggest_memory_format();
  const bool is_float = input.scalar_type() == at::kFloat;
  if (!input.is_contiguous(layout)) return with_libtorch();
  const auto empty = [&] {
    return at::empty({input.size(0), input.size(1), rows.count, columns.count}, input.options(), layout);
  };
  if (layout == at::MemoryFormat::Contiguous && is_float) {
    at::Tensor output = empty();
    PoolPlanes(input, rows, columns, output);
    return output;
  }
  if (layout == at::MemoryFormat::ChannelsLast && (is_float || input.scalar_type() == at::kBFloat16)) {
    at::Tensor output = empty();
    is_float ? PoolImages<float>(input, rows, columns, output) : PoolImages<Bfloat16Bits>(input, rows, columns, output);
    return output;
  }
  return with_libtorch();
}

}  // namespace nacue
