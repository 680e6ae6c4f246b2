/** The public names of the package. */
export type { Batch, Batches, DimsBatch, ShapedBatch } from './batch.js';
export type { DecodedImage } from './data/images/decode-image.js';
export { decodeImage } from './data/images/decode-image.js';
export type { ImageTransform } from './data/images/image-transform.js';
export { transformImages } from './data/images/transform-images.js';
export { openSamples } from './data/open-samples.js';
export type { PassOptions, SampleBatch, SampleOptions, Samples, SkippedSample } from './data/samples.js';
export type { ArgumentError, NacueErrorCode } from './errors.js';
export { errorCodes, NacueError } from './errors.js';
export type {
  EvaluatedMetrics,
  EvaluatedScore,
  EvaluateOptions,
  Evaluation,
  EvaluationProgress,
  EvaluationSets,
  ScoreComparison,
  SetEvaluation,
} from './evaluate.js';
export { evaluate } from './evaluate.js';
export type { ExecutionOptions, Mode, Precision } from './execution-options.js';
export type { InspectOptions, ModuleInfo } from './inspect.js';
export { inspect } from './inspect.js';
export type { Layout } from './layout.js';
export { libtorchVersion } from './libtorch-version.js';
export type { MetricValues, RocCurve, Scores } from './metrics.js';
export { metrics } from './metrics.js';
export { NACUE } from './nacue.js';
export type {
  Aggregation,
  BindingOptions,
  Binning,
  Device,
  FeatureReduce,
  LayerOptions,
  NACUEOptions,
  Preset,
} from './options.js';
export type { PresetOptions } from './presets.js';
export { presets } from './presets.js';
export type { EvaluationRecord } from './report/evaluation-record.js';
export type { PlotName } from './report/plot-names.js';
export type { RecordOptions } from './report/record-evaluation.js';
export { recordEvaluation } from './report/record-evaluation.js';
export { renderPlot, renderReport } from './report/render.js';
export type {
  CalibrateOptions,
  CallOptions,
  Counts,
  CoverageReport,
  ExecutionPlan,
  FitOptions,
  FitProgress,
  LayerContributions,
  LayerExplanation,
  LayerInfo,
  RestoreOptions,
  Score,
  ScoreOptions,
  Tensor,
} from './results.js';
export type { StateSource } from './state.js';
export type { LayerSuggestion } from './suggest-layers.js';
export { suggestLayers } from './suggest-layers.js';
export type { TunedCandidate, TunedOptions, TuneMetric, TuneOptions, TuneProgress, Tuning } from './tune.js';
export { tune } from './tune.js';
export type { LayerGrid, TuneGrid } from './tune-grid.js';
export { version } from './version.js';
