// Stage "contributions": z and gradient (B, ...) -> q (B, N), how much each neuron's output moves the loss.
//
// Reference: `feature_reduce(z * grad)` with _default_feature_reduce. The product comes first, the pooling after.
#include "pipeline.h"

namespace nacue {

at::Tensor Contributions(const at::Tensor& z, const at::Tensor& gradient) {
  const at::Tensor product = z * gradient;
  if (product.dim() == 2) return product;
  if (product.dim() == 4) return product.mean({2, 3});
  return product.flatten(1);
}

}  // namespace nacue
