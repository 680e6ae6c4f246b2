// See layer_candidates.h. Any thread; O* costs next to nothing, because the counts do not depend on it.
#include "layer_candidates.h"

#include "core/pipeline.h"

namespace nacue {

LayerOptions CandidateOptions(const LayerOptions& layer, const LayerGrid& grid, size_t index) {
  LayerOptions options = layer;
  options.o_star = grid.o_star[index % grid.o_star.size()];
  const size_t histogram = index / grid.o_star.size();
  options.alpha = grid.alpha[histogram % grid.alpha.size()];
  options.m_bins = grid.m_bins[histogram / grid.alpha.size()];
  return options;
}

at::Tensor CountFit(const ContributionStore& store, size_t layer, const LayerOptions& options, Preset preset,
                    Binning binning) {
  const RowStore& rows = store.rows(layer, 0);
  const at::Tensor edges = BinEdges(binning, options.m_bins, at::kCPU);
  at::Tensor counts = NewCounts(rows.columns(), options.m_bins, at::kCPU);
  rows.ForEachBatch(
      [&](const at::Tensor& batch) { AddCounts(counts, BinIndices(batch, options, preset, binning, edges)); });
  return counts;
}

std::vector<std::vector<float>> CandidateCoverage(const ContributionStore& store, size_t layer,
                                                  const LayerOptions& layer_options, const LayerGrid& grid,
                                                  size_t histogram, Preset preset, Binning binning) {
  const LayerOptions options = CandidateOptions(layer_options, grid, histogram * grid.o_star.size());
  const at::Tensor counts = CountFit(store, layer, options, preset, binning);
  const at::Tensor edges = BinEdges(binning, options.m_bins, at::kCPU);
  std::vector<std::vector<float>> coverage(grid.o_star.size());
  for (size_t set = 1; set < store.sets(); ++set) {
    store.rows(layer, set).ForEachBatch([&](const at::Tensor& batch) {
      const at::Tensor hits = Hits(counts, BinIndices(batch, options, preset, binning, edges));
      for (size_t i = 0; i < grid.o_star.size(); ++i) {
        const at::Tensor covered = LayerCoverage(NeuronCoverage(hits, grid.o_star[i])).contiguous();
        const auto* values = covered.const_data_ptr<float>();
        coverage[i].insert(coverage[i].end(), values, values + covered.numel());
      }
    });
  }
  return coverage;
}

}  // namespace nacue
