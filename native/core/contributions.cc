// Stage "contributions": z and gradient (B, ...) -> q (B, N), how much each neuron's output moves the loss.
//
// (a) `feature_reduce(z * grad)`: the product comes first, the pooling after. (b) assess() pools the state and its
// gradient and multiplies then; the two agree only where there is nothing to pool.
#include "cuda_kernels.h"
#include "pipeline.h"
#include "pooled_product.h"

namespace nacue {

namespace {

// A product that fits into the cache is there anyway.
constexpr size_t kLargeBytes = 1024 * 1024;

at::Tensor Operators(const at::Tensor& z, const at::Tensor& gradient, Preset preset, const Reducer& reduce) {
  return preset == Preset::kPytorchOod ? reduce(z * gradient) : reduce(z) * reduce(gradient);
}

at::Tensor Exact(const at::Tensor& z, const at::Tensor& gradient, Preset preset, const Reducer& reduce) {
  if (preset == Preset::kPytorchOod && z.device().is_cpu() && z.nbytes() >= kLargeBytes) {
    if (const auto operands = PooledOperandsOf(z, gradient, reduce.reduce())) {
      if (std::optional<at::Tensor> q = ExactPooledProduct(*operands)) return *std::move(q);
    }
  }
  return Operators(z, gradient, preset, reduce);
}

// Where the gradient alone lies in memory in another way, after a mean for example, it is copied into the way of z.
std::optional<PooledOperands> FastOperands(const at::Tensor& z, const at::Tensor& gradient, Reduce reduce) {
  if (z.scalar_type() != at::kFloat && z.scalar_type() != at::kBFloat16) return std::nullopt;
  if (auto unpooled = UnpooledOperandsOf(z, gradient, reduce)) return unpooled;
  auto operands = PooledOperandsOf(z, gradient, reduce);
  if (operands || !PooledOperandsOf(z, z, reduce)) return operands;
  return PooledOperandsOf(z, at::empty_like(z, gradient.scalar_type()).copy_(gradient), reduce);
}

at::Tensor Fast(const at::Tensor& z, const at::Tensor& gradient, Preset preset, const Reducer& reduce) {
  if (preset == Preset::kPytorchOod && z.device().is_cpu()) {
    if (const auto operands = FastOperands(z, gradient, reduce.reduce())) return FastPooledProduct(*operands);
  }
  return Operators(z.to(at::kFloat), gradient.to(at::kFloat), preset, reduce);
}

// In float32: of bfloat16 the reference rounds the product.
std::optional<at::Tensor> InKernel(const at::Tensor& z, const at::Tensor& gradient, Preset preset,
                                   const Reducer& reduce, Mode mode) {
  KernelRunner* const kernels = KernelsOf(z);
  const bool keeps_float32 = mode == Mode::kFast || z.scalar_type() == at::kFloat;
  if (kernels == nullptr || preset != Preset::kPytorchOod || !keeps_float32) return std::nullopt;
  const auto operands = FastOperands(z, gradient, reduce.reduce());
  return operands ? PooledProductInKernel(kernels, *operands) : std::nullopt;
}

}  // namespace

at::Tensor Contributions(const at::Tensor& z, const at::Tensor& gradient, Preset preset, const Reducer& reduce,
                         Mode mode) {
  if (auto q = InKernel(z, gradient, preset, reduce, mode)) return *std::move(q);
  return mode == Mode::kFast ? Fast(z, gradient, preset, reduce) : Exact(z, gradient, preset, reduce);
}

}  // namespace nacue
