// Stage "contributions": z and gradient (B, ...) -> q (B, N), how much each neuron's output moves the loss.
//
// (a) `feature_reduce(z * grad)`: the product comes first, the pooling after. (b) assess() pools the state and its
// gradient and multiplies then; the two agree only where there is nothing to pool.
#include "pipeline.h"

namespace nacue {

at::Tensor Contributions(const at::Tensor& z, const at::Tensor& gradient, Preset preset, const Reducer& reduce) {
  return preset == Preset::kPytorchOod ? reduce(z * gradient) : reduce(z) * reduce(gradient);
}

}  // namespace nacue
