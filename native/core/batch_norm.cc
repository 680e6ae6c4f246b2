// See batch_norm.h. Runs on the detector's thread, called by the interpreter and by autograd.
//
// LibTorch computes y = x * slope + offset, slope = weight / sqrt(var + eps), offset = bias - mean * slope, products
// and sums fused, and dx = dy * invstd * weight, where invstd is rounded from double.
#include "batch_norm.h"

#include <ATen/CPUGeneratorImpl.h>
#include <torch/csrc/autograd/custom_function.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "parallel_ranges.h"
#include "wide_vectors.h"

namespace nacue {

namespace {

struct Line {
  float slope;
  float offset;
};

// Not std::fma, which is a function of its own and not compiled once per kind of vectors.
NACUE_INTO_CALLER float Normalised(float x, Line line) {
  return __builtin_fmaf(x, line.slope, line.offset);
}

template <Activation kActivation>
NACUE_INTO_CALLER float Activated(float value) {
  if constexpr (kActivation == Activation::kRelu) return value < 0.0F ? 0.0F : value;
  if constexpr (kActivation == Activation::kRelu6) {
    const float above = value < 0.0F ? 0.0F : value;
    return above > 6.0F ? 6.0F : above;
  }
  if constexpr (kActivation == Activation::kHardswish) {
    const float moved = value + 3.0F;
    const float above = moved < 0.0F ? 0.0F : moved;
    return value * (above > 6.0F ? 6.0F : above) / 6.0F;
  }
  return value;
}

// The gradient of what the activation got. `seen`: what it gave; for hardswish x, of which what it got is computed
// again.
template <Activation kActivation>
NACUE_INTO_CALLER float GradientBefore(const float* seen, int64_t i, Line line, float gradient) {
  if constexpr (kActivation == Activation::kRelu) return seen[i] <= 0.0F ? 0.0F : gradient;
  if constexpr (kActivation == Activation::kRelu6) return (seen[i] > 0.0F) & (seen[i] < 6.0F) ? gradient : 0.0F;
  if constexpr (kActivation == Activation::kHardswish) {
    const float value = Normalised(seen[i], line);
    const float within = gradient * (value / 3.0F + 0.5F);
    const float below_three = value >= 3.0F ? gradient : within;
    return value <= -3.0F ? 0.0F : below_three;
  }
  return gradient;
}

// Of one plane: x and y, and what is added, if anything is.
struct Forward {
  const float* x;
  const float* added;
  float* y;
};

// `y` is needed by relu, `x` by hardswish. `d_added` takes the gradient before the activation, if it is asked for.
struct Backward {
  const float* x;
  const float* y;
  const float* dy;
  float* dx;
  float* d_added;
};

// Locals that share no memory: with the members the compiler would compare addresses before each loop.
template <Activation kActivation>
NACUE_INTO_CALLER void ForwardPlane(const Forward& plane, Line line, int64_t count) {
  const float* const __restrict x = plane.x;
  const float* const __restrict added = plane.added;
  float* const __restrict y = plane.y;
  if (added == nullptr) {
    for (int64_t i = 0; i < count; ++i) y[i] = Activated<kActivation>(Normalised(x[i], line));
  } else {
    for (int64_t i = 0; i < count; ++i) y[i] = Activated<kActivation>(Normalised(x[i], line) + added[i]);
  }
}

template <Activation kActivation>
NACUE_INTO_CALLER void BackwardPlane(const Backward& plane, Line line, float invstd, float weight, int64_t count) {
  const float* const __restrict seen = kActivation == Activation::kHardswish ? plane.x : plane.y;
  const float* const __restrict dy = plane.dy;
  float* const __restrict dx = plane.dx;
  float* const __restrict d_added = plane.d_added;
  if (d_added == nullptr) {
    for (int64_t i = 0; i < count; ++i) dx[i] = GradientBefore<kActivation>(seen, i, line, dy[i]) * invstd * weight;
  } else {
    for (int64_t i = 0; i < count; ++i) {
      const float gradient = GradientBefore<kActivation>(seen, i, line, dy[i]);
      d_added[i] = gradient;
      dx[i] = gradient * invstd * weight;
    }
  }
}

NACUE_WIDE_VECTORS void RunPlane(Activation activation, const Forward& plane, Line line, int64_t count) {
  switch (activation) {
    case Activation::kNone:
      return ForwardPlane<Activation::kNone>(plane, line, count);
    case Activation::kRelu:
      return ForwardPlane<Activation::kRelu>(plane, line, count);
    case Activation::kRelu6:
      return ForwardPlane<Activation::kRelu6>(plane, line, count);
    case Activation::kHardswish:
      return ForwardPlane<Activation::kHardswish>(plane, line, count);
  }
}

NACUE_WIDE_VECTORS void RunPlane(Activation activation, const Backward& plane, Line line, float invstd, float weight,
                                 int64_t count) {
  switch (activation) {
    case Activation::kNone:
      return BackwardPlane<Activation::kNone>(plane, line, invstd, weight, count);
    case Activation::kRelu:
      return BackwardPlane<Activation::kRelu>(plane, line, invstd, weight, count);
    case Activation::kRelu6:
      return BackwardPlane<Activation::kRelu6>(plane, line, invstd, weight, count);
    case Activation::kHardswish:
      return BackwardPlane<Activation::kHardswish>(plane, line, invstd, weight, count);
  }
}

const float* DataOf(const std::optional<at::Tensor>& tensor) {
  return tensor && tensor->defined() ? tensor->const_data_ptr<float>() : nullptr;
}

// Per channel.
std::vector<Line> LinesOf(const BatchNorm& norm) {
  std::vector<Line> lines(static_cast<size_t>(norm.x.size(1)));
  const float* const weight = DataOf(norm.weight);
  const float* const bias = DataOf(norm.bias);
  const float* const mean = DataOf(norm.running_mean);
  const float* const variance = DataOf(norm.running_var);
  for (size_t i = 0; i < lines.size(); ++i) {
    const float invstd = 1.0F / std::sqrt(variance[i] + static_cast<float>(norm.eps));
    const float slope = invstd * (weight == nullptr ? 1.0F : weight[i]);
    lines[i] = {slope, std::fma(-mean[i], slope, bias == nullptr ? 0.0F : bias[i])};
  }
  return lines;
}

template <typename Run>
void ForEachPlane(const at::Tensor& x, const Run& run) {
  const int64_t channels = x.size(1);
  const int64_t count = x.numel() / (x.size(0) * channels);
  ForEachRange(x.size(0) * channels, 1, [&](int64_t /*range*/, int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) run(plane * count, static_cast<size_t>(plane % channels), count);
  });
}

at::Tensor RunForward(const BatchNorm& norm) {
  at::Tensor y = at::empty(norm.x.sizes(), norm.x.options());
  const auto* const x_data = norm.x.const_data_ptr<float>();
  const float* const added = DataOf(norm.added);
  auto* const y_data = y.mutable_data_ptr<float>();
  const std::vector<Line> lines = LinesOf(norm);
  ForEachPlane(norm.x, [&](int64_t first, size_t channel, int64_t count) {
    RunPlane(norm.activation, Forward{x_data + first, added == nullptr ? nullptr : added + first, y_data + first},
             lines[channel], count);
  });
  return y;
}

struct Gradients {
  at::Tensor x;
  at::Tensor added;
};

// Of the planes; `y` is undefined for hardswish, and x may be anything of its shape for the others.
Gradients RunBackward(const BatchNorm& norm, const at::Tensor& y, const at::Tensor& dy) {
  Gradients gradients = {at::empty(dy.sizes(), dy.options()),
                         norm.added ? at::empty(dy.sizes(), dy.options()) : at::Tensor()};
  const bool needs_x = norm.activation == Activation::kHardswish;
  const float* const x_data = needs_x ? norm.x.const_data_ptr<float>() : nullptr;
  const float* const y_data = y.defined() ? y.const_data_ptr<float>() : nullptr;
  const auto* const dy_data = dy.const_data_ptr<float>();
  auto* const dx_data = gradients.x.mutable_data_ptr<float>();
  float* const d_added = norm.added ? gradients.added.mutable_data_ptr<float>() : nullptr;
  const float* const weight = DataOf(norm.weight);
  const float* const variance = DataOf(norm.running_var);
  const auto shifted = [](auto* data, int64_t first) { return data == nullptr ? nullptr : data + first; };
  const std::vector<Line> lines = needs_x ? LinesOf(norm) : std::vector<Line>(static_cast<size_t>(dy.size(1)));
  ForEachPlane(dy, [&](int64_t first, size_t channel, int64_t count) {
    const auto invstd = static_cast<float>(1 / std::sqrt(variance[channel] + norm.eps));
    RunPlane(norm.activation,
             Backward{shifted(x_data, first), shifted(y_data, first), dy_data + first, dx_data + first,
                      shifted(d_added, first)},
             lines[channel], invstd, weight == nullptr ? 1.0F : weight[channel], count);
  });
  return gradients;
}

at::Tensor ActivatedByLibTorch(at::Tensor value, Activation activation) {
  switch (activation) {
    case Activation::kNone:
      return value;
    case Activation::kRelu:
      return at::relu_(value);
    case Activation::kRelu6:
      return at::hardtanh_(value, 0, 6);
    case Activation::kHardswish:
      return at::hardswish_(value);
  }
  return value;
}

at::Tensor ForwardOfLibTorch(const BatchNorm& norm) {
  at::Tensor y = at::batch_norm(norm.x, norm.weight, norm.bias, norm.running_mean, norm.running_var, norm.training,
                                norm.momentum, norm.eps, norm.cudnn_enabled);
  if (norm.added) y = norm.adds_in_place ? y.add_(*norm.added) : y.add(*norm.added);
  return ActivatedByLibTorch(std::move(y), norm.activation);
}

// x stands in for its shape; for hardswish it is needed.
Gradients BackwardOfLibTorch(const BatchNorm& norm, const at::Tensor& y, at::Tensor dy) {
  switch (norm.activation) {
    case Activation::kNone:
      break;
    case Activation::kRelu:
      dy = at::threshold_backward(dy, y, 0);
      break;
    case Activation::kRelu6:
      dy = at::hardtanh_backward(dy, y, 0, 6);
      break;
    case Activation::kHardswish:
      dy =
          at::hardswish_backward(dy, at::batch_norm(norm.x, norm.weight, norm.bias, norm.running_mean, norm.running_var,
                                                    /*training=*/false, norm.momentum, norm.eps, norm.cudnn_enabled));
      break;
  }
  const at::Tensor x = norm.x.defined() ? norm.x : at::zeros(dy.sizes(), dy.options());
  const auto [dx, d_weight, d_bias] =
      at::native_batch_norm_backward(dy, x, norm.weight, norm.running_mean, norm.running_var, /*save_mean=*/{},
                                     /*save_invstd=*/{}, /*train=*/false, norm.eps, {true, false, false});
  return {dx, norm.added ? dy : at::Tensor()};
}

bool IsPlainFloat(const at::Tensor& tensor) {
  return tensor.is_cpu() && tensor.scalar_type() == at::kFloat && tensor.layout() == at::kStrided &&
         tensor.is_contiguous();
}

bool IsAbsentOrPlainFloat(const std::optional<at::Tensor>& tensor, int64_t size) {
  return !tensor || !tensor->defined() || (IsPlainFloat(*tensor) && tensor->numel() == size);
}

bool Fits(const BatchNorm& norm) {
  const at::Tensor& x = norm.x;
  if (norm.training || x.dim() < 3 || x.numel() == 0 || !IsPlainFloat(x)) return false;
  if (x.suggest_memory_format() != at::MemoryFormat::Contiguous) return false;
  const auto is_present = [](const std::optional<at::Tensor>& tensor) { return tensor && tensor->defined(); };
  if (!is_present(norm.running_mean) || !is_present(norm.running_var)) return false;
  for (const auto* parameter : {&norm.weight, &norm.bias, &norm.running_mean, &norm.running_var})
    if (!IsAbsentOrPlainFloat(*parameter, x.size(1))) return false;
  // The backward pass of hardswish computes its argument again, from x alone.
  if (norm.added && norm.activation == Activation::kHardswish) return false;
  return !norm.added || (norm.added->defined() && IsPlainFloat(*norm.added) && norm.added->sizes() == x.sizes());
}

// What autograd keeps of a pass: the result for relu, x for hardswish, nothing of that size otherwise.
struct RecordedBatchNorm : torch::autograd::Function<RecordedBatchNorm> {
  // The tensors of `norm` come once more, because only arguments are recorded.
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const std::optional<at::Tensor>& weight, const std::optional<at::Tensor>& bias,
                            const std::optional<at::Tensor>& added, const BatchNorm& norm) {
    at::Tensor y = RunForward(norm);
    const bool is_hardswish = norm.activation == Activation::kHardswish;
    const bool needs_y = norm.activation != Activation::kNone && !is_hardswish;
    context->save_for_backward({is_hardswish ? x : at::Tensor(), needs_y ? y : at::Tensor(),
                                weight.value_or(at::Tensor()), bias.value_or(at::Tensor()), *norm.running_mean,
                                *norm.running_var});
    context->saved_data["eps"] = norm.eps;
    context->saved_data["activation"] = static_cast<int64_t>(norm.activation);
    context->saved_data["asks_for_added"] = added && added->requires_grad();
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const torch::autograd::variable_list saved = context->get_saved_variables();
    BatchNorm norm;
    norm.x = saved[0];
    norm.weight = saved[2];
    norm.bias = saved[3];
    norm.running_mean = saved[4];
    norm.running_var = saved[5];
    norm.eps = context->saved_data["eps"].toDouble();
    norm.activation = static_cast<Activation>(context->saved_data["activation"].toInt());
    if (context->saved_data["asks_for_added"].toBool()) norm.added = at::Tensor();
    const at::Tensor& dy = gradients[0];
    const Gradients before =
        IsPlainFloat(dy) ? RunBackward(norm, saved[1], dy) : BackwardOfLibTorch(norm, saved[1], dy);
    return {before.x, at::Tensor(), at::Tensor(), before.added, at::Tensor()};
  }
};

bool SameBits(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor are_nan = a.isnan().logical_and(b.isnan());
  return a.view(at::kInt).eq(b.view(at::kInt)).logical_or(are_nan).all().item<bool>();
}

// Random values.
BatchNorm Sample(Activation activation) {
  at::Generator generator = at::detail::createCPUGenerator(/*seed=*/1);
  const auto random = [&](at::IntArrayRef shape) { return at::randn(shape, generator, at::kFloat); };
  BatchNorm norm;
  norm.x = random({2, 5, 5, 15}) * 4;
  norm.weight = random({5});
  norm.bias = random({5});
  norm.running_mean = random({5});
  norm.running_var = random({5}).square() + 0.1;
  norm.eps = 1e-5;
  norm.activation = activation;
  if (activation == Activation::kRelu) norm.added = random({2, 5, 5, 15});
  return norm;
}

bool HasBits(const BatchNorm& norm) {
  at::Generator generator = at::detail::createCPUGenerator(/*seed=*/2);
  const at::Tensor dy = at::randn(norm.x.sizes(), generator, at::kFloat);
  const at::Tensor y = ForwardOfLibTorch(norm);
  if (!SameBits(RunForward(norm), y)) return false;
  const Gradients expected = BackwardOfLibTorch(norm, y, dy);
  const Gradients actual = RunBackward(norm, y, dy);
  return SameBits(actual.x, expected.x) && (!norm.added || SameBits(actual.added, expected.added));
}

bool TryBits(Activation activation) {
  if (!NACUE_FUSES_MULTIPLY_ADD) return false;  // it would be slow
  const at::NoGradGuard no_gradients;
  const BatchNorm norm = Sample(activation);
  // y = x: those values at which the operators branch.
  BatchNorm edges = norm;
  for (auto* parameter : {&edges.weight, &edges.bias, &edges.added}) parameter->reset();
  edges.running_mean = at::zeros({5});
  edges.running_var = at::ones({5});
  edges.eps = 0;
  const float infinity = std::numeric_limits<float>::infinity();
  const std::array<float, 10> values = {-0.0F,    0.0F,      3.0F,   -3.0F,       6.0F,
                                        infinity, -infinity, 1e-40F, -2.9999998F, 3e38F};
  edges.x = norm.x.clone();
  for (size_t i = 0; i < values.size(); ++i) edges.x.select(3, static_cast<int64_t>(i)).fill_(values[i]);
  return HasBits(norm) && HasBits(edges);
}

}  // namespace

bool HasBitsOfLibTorch(Activation activation) {
  static const std::array<bool, 4> has_bits = {TryBits(Activation::kNone), TryBits(Activation::kRelu),
                                               TryBits(Activation::kRelu6), TryBits(Activation::kHardswish)};
  return has_bits[static_cast<size_t>(activation)];
}

at::Tensor RunBatchNorm(const BatchNorm& norm) {
  if (!Fits(norm) || !HasBitsOfLibTorch(norm.activation)) return ForwardOfLibTorch(norm);
  return RecordedBatchNorm::apply(norm.x, norm.weight, norm.bias, norm.added, norm);
}

}  // namespace nacue
