// See precision_trial.h. Runs on the detector's thread.
#include "precision_trial.h"

#include <ATen/CPUGeneratorImpl.h>

#include <cmath>

namespace nacue {

namespace {

constexpr double kLargestDeviation = 0.25;
constexpr uint64_t kSeed = 2306'02879;
constexpr double kBrightness[] = {0.5, 1.0, 1.0, 2.0};

}  // namespace

at::Tensor TrialBatch(const std::vector<int64_t>& sample_shape, c10::Device device) {
  std::vector<int64_t> shape = {static_cast<int64_t>(std::size(kBrightness))};
  shape.insert(shape.end(), sample_shape.begin(), sample_shape.end());
  const at::Tensor batch = at::randn(shape, at::make_generator<at::CPUGeneratorImpl>(kSeed), at::kFloat);
  for (int64_t sample = 0; sample < shape[0]; ++sample) batch[sample].mul_(kBrightness[sample]);
  return batch.to(device);
}

bool AgreesWell(const std::vector<at::Tensor>& contributions, const std::vector<at::Tensor>& precise) {
  for (size_t layer = 0; layer < precise.size(); ++layer) {
    const double size = precise[layer].norm().item<double>();
    const double difference = (contributions[layer] - precise[layer]).norm().item<double>();
    const bool agrees = std::isfinite(size) && difference <= kLargestDeviation * size;
    if (!agrees) return false;
  }
  return true;
}

}  // namespace nacue
