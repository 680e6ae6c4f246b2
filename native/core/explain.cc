// See explain.h. On the host: the order of ties has to be the same everywhere, which topk does not promise.
#include "explain.h"

#include <algorithm>
#include <numeric>

#include "parallel_ranges.h"

namespace nacue {

LayerExplanation Explain(const at::Tensor& neuron_coverage, const at::Tensor& bin_indices, int64_t k, double factor) {
  const at::Tensor phi = neuron_coverage.cpu().contiguous();
  const at::Tensor bins = bin_indices.cpu().contiguous();
  const int64_t samples = phi.size(0);
  const int64_t neurons = phi.size(1);
  LayerExplanation result;
  result.neurons_per_sample = std::min(k, neurons);
  const auto size = static_cast<size_t>(samples * result.neurons_per_sample);
  result.neurons.resize(size);
  result.bins.resize(size);
  result.coverage.resize(size);
  result.cost.resize(size);

  ForEachRange(samples, /*least=*/1, [&](int64_t /*range*/, int64_t begin, int64_t end) {
    std::vector<int32_t> order(static_cast<size_t>(neurons));
    for (int64_t sample = begin; sample < end; ++sample) {
      const float* const covered = phi.const_data_ptr<float>() + sample * neurons;
      const int64_t* const bin = bins.const_data_ptr<int64_t>() + sample * neurons;
      std::iota(order.begin(), order.end(), 0);
      std::partial_sort(
          order.begin(), order.begin() + result.neurons_per_sample, order.end(),
          [&](int32_t a, int32_t b) { return covered[a] != covered[b] ? covered[a] < covered[b] : a < b; });
      for (int64_t rank = 0; rank < result.neurons_per_sample; ++rank) {
        const auto at = static_cast<size_t>(sample * result.neurons_per_sample + rank);
        const int32_t neuron = order[static_cast<size_t>(rank)];
        result.neurons[at] = neuron;
        result.bins[at] = static_cast<int32_t>(bin[neuron]);
        result.coverage[at] = covered[neuron];
        result.cost[at] =
            static_cast<float>(factor * (1.0 - static_cast<double>(covered[neuron])) / static_cast<double>(neurons));
      }
    }
  });
  return result;
}

}  // namespace nacue
