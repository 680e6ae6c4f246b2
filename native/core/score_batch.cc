// See score_batch.h. Runs on the detector's thread.
#include "score_batch.h"

#include "explain.h"
#include "finite_rows.h"
#include "host_copies.h"
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
  std::vector<at::Tensor> to_explain;  // per layer phi and bins
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
    to_explain.insert(to_explain.end(), {phi, bins});
  }
  // The reference adds the layers in the order in which they run.
  std::vector<at::Tensor> in_execution_order;
  std::vector<double> weights_in_order;
  for (const size_t layer : batch.execution_order) {
    in_execution_order.push_back(coverage[layer]);
    weights_in_order.push_back(weights[layer]);
  }
  std::vector<at::Tensor> wanted = {
      Scores(at::stack(in_execution_order, 0), weights_in_order, options.aggregation),
      at::stack(coverage, 0),
      batch.logits,
      batch.finite,
  };
  wanted.insert(wanted.end(), to_explain.begin(), to_explain.end());
  const std::vector<at::Tensor> host = Download(wanted);
  if (host[3].defined()) RefuseRows(host[3], kNotFinite);
  result.scores = Values(host[0]);
  result.layer_scores = Values(host[1]);
  result.logits = Values(host[2]);
  for (size_t part = 4; part < host.size(); part += 2)
    result.explanations.push_back(Explain(host[part], host[part + 1], explain, factors[(part - 4) / 2]));
  result.batch_size = batch.logits.size(0);
  result.classes = batch.logits.size(1);
  return result;
}

std::vector<float> Values(const at::Tensor& host) {
  const at::Tensor values = host.to(at::kFloat).contiguous();
  return {values.const_data_ptr<float>(), values.const_data_ptr<float>() + values.numel()};
}

}  // namespace nacue
