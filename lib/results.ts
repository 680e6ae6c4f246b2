/** What the calls on a detector take and return. */
import type { PassProgress } from './calls.js';
import type { Mode, Precision } from './execution-options.js';
import type { LayerOptions, NACUEOptions } from './options.js';

/** Row-major float32 values and their shape. */
export interface Tensor {
  data: Float32Array;
  shape: number[];
}

/** The histogram of one layer: how often each neuron's contribution fell into each bin during the fit. */
export interface Counts {
  /** (N, M) row-major; each row adds up to `detector.samples`. */
  data: BigInt64Array;
  /** [N, M] */
  shape: [number, number];
}

/** Which neurons of one layer take the scores of a batch up: per sample the K least covered ones, least first, ties by index. */
export interface LayerExplanation {
  layer: string;
  /** (B, K): indices in [0, N). */
  neurons: Int32Array;
  /** (B, K): the bin in [0, M) that the neuron is in. */
  bins: Int32Array;
  /** (B, K) in [0, 1]: phi = min(count / O*, 1) of that bin. */
  coverage: Float32Array;
  /** (B, K): what the neuron adds to the score, w (1 - phi) / N; with aggregation `'mean'` over the sum of the weights. */
  cost: Float32Array;
  /** [B, K], K = min(k, N). */
  shape: number[];
}

/** What {@link NACUE.score} returns for a batch of B samples. */
export interface Score {
  /** (B,) larger = more out-of-distribution: in [-L, 0] with aggregation `'sum'` (minus the sum of the weights where there are some), in [-1, 0] with `'mean'`. The numbers of `predict`. */
  scores: Float32Array;
  /** (L, B) in [0, 1]: the mean coverage per layer, in the order of `layers`; larger = more in-distribution. */
  layerScores: Tensor;
  /** (B, C): what the model predicts. */
  logits: Tensor;
  /** (B,): 1 where the score is above `detector.threshold`; there after `calibrate()`. */
  isOutlier?: Uint8Array;
  /** Per layer; there with the option `explain`. */
  explanation?: LayerExplanation[];
}

/** q of one layer: (B, N), how much each neuron's output moves the loss. */
export interface LayerContributions extends Tensor {
  layer: string;
}

/** NAC-ME, how much of its activation space a model shows on the fit samples; larger goes with better generalisation. */
export interface CoverageReport {
  /** The mean of the layers, in [0, 1]. */
  total: number;
  layers: { layer: string; coverage: number }[];
}

/** One watched layer. */
export interface LayerInfo extends LayerOptions {
  /** N, known after the first batch or when `inputShape` was given. */
  neurons: number | undefined;
  /** Without the batch dimension; known like `neurons`. */
  outputShape: number[] | undefined;
}

/** How a detector runs its model: what was chosen for its options and this machine. */
export interface ExecutionPlan {
  mode: Mode;
  /** `'float32'` in parity mode. */
  precision: Precision;
  /** How 4-D inputs and features lie in memory. */
  memoryFormat: 'contiguous' | 'channels-last';
  /** Whether the weights are constants of the model's graph. */
  frozen: boolean;
  /** How many batch norms are part of the convolution before them. */
  foldedBatchNorms: number;
  /** How many samples the last batch passed through the model at once; undefined: whole batches, or, with `'auto'`, none measured yet. */
  chunkSize: number | undefined;
}

/** Options of one call. */
export interface CallOptions {
  /** Aborts the call: it rejects with `signal.reason`, and is dropped from the queue if it has not begun. */
  signal?: AbortSignal;
}

/** Options of {@link NACUE.score}. */
export interface ScoreOptions extends CallOptions {
  /** How many neurons to name per sample and layer, k >= 1. Default: none. */
  explain?: number;
}

/** How far a fit has come. */
export type FitProgress = PassProgress;

/** Options of {@link NACUE.fit} and {@link NACUE.partialFit}. */
export interface FitOptions extends CallOptions {
  /** Called after each batch. What it throws ends the fit. */
  onProgress?: (progress: FitProgress) => void;
}

/** Options of {@link NACUE.calibrate}. */
export interface CalibrateOptions extends FitOptions {
  /** The share of in-distribution samples that pass, in (0, 1]. Default 0.95. */
  tpr?: number;
}

/**
 * Options of {@link NACUE.restore}: where and how to run; what the state was fitted with, its mode and precision too, need not be
 * repeated. What is given all the same must agree with the state.
 */
export interface RestoreOptions extends Partial<NACUEOptions> {
  /**
   * Takes a state that was fitted on another model file, such as a re-export of the same weights. What is saved later names the file that is
   * loaded now. Default false.
   */
  allowModelMismatch?: boolean;
  /**
   * Takes a state that was fitted in another mode or precision than asked for; what is saved later names the detector's own. Scores then
   * deviate as between the modes. Default false.
   */
  allowModeMismatch?: boolean;
}
