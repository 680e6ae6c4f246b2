// See score_batch.h. Runs on the detector's thread.
#include "score_batch.h"

#include "explain.h"
#include "pipeline.h"

namespace nacue {

namespace {

std::vector<double> Weights(const std::vector<LayerOptions>& layers) {
  std::vector<double> weights;
  for (const LayerOptions& layer : layers) weights.push_back(layer.weight);
  return weights;
}

}  // namespace

ScoreResult ScoreBatch(const BatchContributions& batch, const Fit& fit, const DetectorOptions& options,
                       const std::vector<at::Tensor>& edges, int64_t explain) {
  const std::vector<double> weights = Weights(options.layers);
  const std::vector<double> factors = LayerFactors(weights, options.aggregation);
  ScoreResult result;
  std::vector<at::Tensor> coverage;
  for (size_t layer = 0; layer < options.layers.size(); ++layer) {
    const LayerOptions& layer_options = options.layers[layer];
    const at::Tensor bins =
        BinIndices(batch.layers[layer], layer_options, options.preset, options.binning, edges[layer]);
    if (explain == 0) {
      coverage.push_back(LayerCoverage(fit.counts[layer], bins, layer_options.o_star));
      continue;
    }
    const at::Tensor phi = NeuronCoverage(fit.counts[layer], bins, layer_options.o_star);
    coverage.push_back(LayerCoverage(phi));
    result.explanations.push_back(Explain(phi, bins, explain, factors[layer]));
  }
  // The reference adds the layers in the order in which they run.
  std::vector<at::Tensor> in_execution_order;
  std::vector<double> weights_in_order;
  for (const size_t layer : batch.execution_order) {
    in_execution_order.push_back(coverage[layer]);
    weights_in_order.push_back(weights[layer]);
  }
  result.scores = ToHost(Scores(at::stack(in_execution_order, 0), weights_in_order, options.aggregation));
  result.layer_scores = ToHost(at::stack(coverage, 0));
  result.logits = ToHost(batch.logits);
  result.batch_size = batch.logits.size(0);
  result.classes = batch.logits.size(1);
  return result;
}

std::vector<float> ToHost(const at::Tensor& tensor) {
  const at::Tensor host = tensor.to(at::kCPU, at::kFloat).contiguous();
  return {host.const_data_ptr<float>(), host.const_data_ptr<float>() + host.numel()};
}

}  // namespace nacue
