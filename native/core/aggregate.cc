// Stage "aggregate": coverage of each layer (L, B) -> score (B,), larger = more out-of-distribution.
//
// (a) predict() sums the layers, in execution order; (b) single_ood_test() averages them and gives the coverage itself,
// larger = more in-distribution: here it is negated like the other. A weight of 1 for every layer leaves the bits of
// the sum as they are.
#include <algorithm>
#include <numeric>

#include "host_copies.h"
#include "pipeline.h"

namespace nacue {

std::vector<double> LayerFactors(const std::vector<double>& weights, Aggregation aggregation) {
  if (aggregation == Aggregation::kSum) return weights;
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::vector<double> factors;
  for (const double weight : weights) factors.push_back(weight / total);
  return factors;
}

at::Tensor Scores(const at::Tensor& coverage, const std::vector<double>& weights, Aggregation aggregation) {
  const bool is_weighted = std::any_of(weights.begin(), weights.end(), [](double weight) { return weight != 1.0; });
  if (!is_weighted) return -(aggregation == Aggregation::kSum ? coverage.sum(0) : coverage.mean(0));
  const at::Tensor factors =
      Upload(at::tensor(LayerFactors(weights, aggregation), at::kDouble), coverage.device()).unsqueeze(1);
  return -(coverage * factors).sum(0).to(at::kFloat);
}

}  // namespace nacue
