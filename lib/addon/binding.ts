/**
 * The only place that types the native addons; open.ts opens them.
 *
 * A native method takes its arguments and a `settle` callback, queues its work on the detector's own thread and returns a ticket
 * at once. `settle` is called exactly once on the JavaScript thread, unless the environment is torn down first.
 */
import { errorCodes, NacueError, type NacueErrorCode, wrongShape } from '../errors.js';
import type { Mode, Precision } from '../execution-options.js';
import type { Aggregation, Binning, Preset } from '../options.js';
import type { Threshold } from '../threshold.js';

/** A failure as the native side reports it. */
export interface NativeFailure {
  code: NacueErrorCode;
  message: string;
  detail?: string;
}

export type Settle<T> = (failure: NativeFailure | null, value: T) => void;

/** Identifies queued work for {@link NativeDetector.cancel}. */
export type Ticket = number;

export interface NativeTensor {
  data: Float32Array;
  shape: number[];
}

/** What one layer is watched with. */
export interface NativeLayerConfig {
  name: string;
  mBins: number;
  alpha: number;
  oStar: number;
  /** A name, or `module` with the path of it in reduceModule. */
  reduce: string;
  reduceModule: string | null;
  weight: number;
}

export interface NativeConfig {
  layers: NativeLayerConfig[];
  preset: Preset;
  binning: Binning;
  aggregation: Aggregation;
  device: string;
  /** 0 leaves the choice to LibTorch. */
  numThreads: number;
  mode: Mode;
  /** Null leaves the choice to the native side. */
  precision: Precision | null;
  /** 0: the whole batch; -1: as many samples as memoryLimit allows. */
  chunkSize: number;
  /** Bytes; 0 where chunkSize is not -1. */
  memoryLimit: number;
  /** Whether restore() takes a state of another mode or precision. */
  allowModeMismatch?: boolean;
  /** Without the batch dimension; null when unknown. */
  inputShape: number[] | null;
  output: number | string | null;
  rejectNonFinite: boolean;
  /** SHA-256 that the model file must have; any without it. */
  expectedSha256?: string;
}

export interface NativeLayer {
  name: string;
  /** Null until a batch has shown the shape, as outputShape. */
  neurons: number | null;
  /** Without the batch dimension. */
  outputShape: number[] | null;
}

export interface NativePlan {
  mode: Mode;
  precision: Precision;
  channelsLast: boolean;
  frozen: boolean;
  foldedBatchNorms: number;
  /** Null: whole batches, or not yet measured. */
  chunkSize: number | null;
}

export interface NativeStatus {
  device: string;
  /** Of the file or bytes that were loaded: 64 hexadecimal digits. */
  modelSha256: string;
  layers: NativeLayer[];
  fitted: boolean;
  /** Samples in the committed counts. */
  samples: number;
  plan: NativePlan;
}

/** Of one layer, (B, K). */
export interface NativeExplanation {
  neurons: Int32Array;
  bins: Int32Array;
  coverage: Float32Array;
  cost: Float32Array;
  shape: number[];
}

export interface NativeScore {
  scores: Float32Array;
  layerScores: NativeTensor;
  logits: NativeTensor;
  /** Per layer; empty when none were asked for. */
  explanations: NativeExplanation[];
}

/** What a state file says of itself. `reduce` of a module is `module:` and the SHA-256 of its file. */
export interface NativeState {
  preset: Preset;
  binning: Binning;
  aggregation: Aggregation;
  mode: Mode;
  /** Null in parity mode. */
  precision: Precision | null;
  layers: { name: string; mBins: number; alpha: number; oStar: number; reduce: string; weight: number }[];
  inputShape: number[] | null;
  output: number | string | null;
  /** Empty when unknown. */
  modelSha256: string;
  threshold: Threshold | null;
}

export interface NativeModule {
  path: string;
  type: string;
  calls: number | null;
  outputType: string | null;
  outputShape: number[] | null;
}

/** What a search tries. The first of each list is the detector's own. */
export interface NativeSearchConfig {
  /** Per layer of the detector. */
  layers: { mBins: number[]; alpha: number[]; oStar: number[] }[];
  binnings: Binning[];
  /** Which layers may be used together; the first is all of them. */
  subsets: boolean[][];
  metric: 'auroc' | 'auprIn' | 'auprOut' | 'fpr95';
  heldBack: number;
  maxCandidates: number;
  rankingLength: number;
  oodSets: number;
  memoryLimit: number;
  folder: string;
}

/** Indices into the lists of {@link NativeSearchConfig}: O* runs fastest, then alpha, then M; -1 for a layer that is left out. */
export interface NativeCandidate {
  binning: number;
  choice: number[];
  value: number;
  /** NaN where nothing was held back. */
  heldBack: number;
}

export interface NativeSearchResult {
  ranking: NativeCandidate[];
  own: NativeCandidate;
  scored: number;
  isExhaustive: boolean;
  isOnDisk: boolean;
}

export interface NativeSearchProgress {
  phase: 'candidates' | 'combinations';
  done: number;
  total: number;
  isDone: boolean;
}

/** Steps whose list is empty are left out. */
export interface NativeImageTransform {
  /** Of the shorter side, or height and width. */
  resize: number[];
  /** Height and width. */
  crop: number[];
  /** Per channel, of values in [0, 1]. */
  mean: number[];
  std: number[];
  interpolation: 'nearest' | 'nearest-exact' | 'bilinear' | 'bicubic';
  antialias: boolean;
}

export interface NativeDetector {
  load(model: string | Uint8Array, config: NativeConfig, settle: Settle<void>): Ticket;
  beginFit(fromZero: boolean, settle: Settle<void>): Ticket;
  fitBatch(data: Float32Array, shape: number[], settle: Settle<void>): Ticket;
  commitFit(settle: Settle<void>): Ticket;
  abortFit(settle: Settle<void>): Ticket;
  predict(data: Float32Array, shape: number[], settle: Settle<Float32Array>): Ticket;
  score(data: Float32Array, shape: number[], explain: number, settle: Settle<NativeScore>): Ticket;
  contributions(data: Float32Array, shape: number[], settle: Settle<NativeTensor[]>): Ticket;
  coverage(settle: Settle<Float64Array>): Ticket;
  setOStar(oStar: number[], settle: Settle<void>): Ticket;
  state(threshold: Threshold | null, version: string, settle: Settle<Uint8Array>): Ticket;
  /** `state` must be a buffer that nobody else can change or detach. */
  restore(state: Uint8Array, settle: Settle<void>): Ticket;
  /** Returns the number under which the other methods know the search, until endSearch. */
  beginSearch(config: NativeConfig, search: NativeSearchConfig): number;
  /** Keeps the contributions of a batch; set 0 is the fit, 1 the ID samples, the OOD sets follow. */
  collect(search: number, set: number, data: Float32Array, shape: number[], settle: Settle<void>): Ticket;
  /** Works for a moment, on all cores. */
  stepSearch(search: number, settle: Settle<NativeSearchProgress>): Ticket;
  searchResult(search: number): NativeSearchResult;
  /** The state of a detector with a candidate's options. */
  candidateState(search: number, candidate: NativeCandidate, version: string, settle: Settle<Uint8Array>): Ticket;
  /** Frees the search; what of it is in the queue still runs. */
  endSearch(search: number, settle: Settle<void>): Ticket;
  to(device: string, settle: Settle<void>): Ticket;
  counts(layer: number): { data: BigInt64Array; shape: [number, number] };
  status(): NativeStatus;
  /** Removes queued work; its `settle` is then never called. False when the work has begun or is done. */
  cancel(ticket: Ticket): boolean;
  close(settle: Settle<void>): Ticket;
}

/** What stands in every record: `before`, then `width` of the values, with commas between them, then `after`. */
export interface NativeTextColumn {
  before: string;
  /** Texts stand there as they are, bytes as true and false. */
  values: Float32Array | Float64Array | Uint8Array | readonly string[];
  width: number;
  after: string;
}

export interface NativeBinding {
  Detector: new () => NativeDetector;
  inspect(model: string | Uint8Array, inputShape: number[] | null, settle: Settle<NativeModule[]>): Ticket;
  /** Checks all of it. `state` must be a buffer that nobody else can change or detach. */
  readState(state: Uint8Array, settle: Settle<NativeState>): Ticket;
  mergeStates(states: Uint8Array[]): Uint8Array;
  /** `shape` is (H, W, C), the result (C, h, w). `data` must be a buffer that nobody else can change or detach. */
  transformImage(
    data: Uint8Array,
    shape: number[],
    transform: NativeImageTransform,
    settle: Settle<NativeTensor>,
  ): Ticket;
  /** Records, each with the columns in their order and `end`. NaN and infinity become null, or stand there by name. */
  recordText(columns: readonly NativeTextColumn[], end: string, nonFiniteIsNull: boolean): Uint8Array;
  libtorchVersion(): string;
}

/** The LibTorch-free addon that opens shared libraries by absolute path. */
export interface NativeLoader {
  /**
   * Opens the files in order, with RTLD_GLOBAL, while no other thread does. Throws an Error with the dynamic linker's text, or, before
   * anything is opened, one with `other`: a file of the same name that the process has open already.
   */
  open(...paths: string[]): void;
}

/** Runs one native call as a promise; what it settles or throws becomes the error of its code. */
export function callNative<T>(start: (settle: Settle<T>) => Ticket): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    try {
      start((failure, value) => (failure ? reject(nativeError(failure)) : resolve(value)));
    } catch (error) {
      reject(nativeError(error));
    }
  });
}

/** Turns a native failure, settled or thrown, into the error that callers see; anything else stays as it is. */
export function nativeError(failure: unknown): unknown {
  if (!isNativeFailure(failure)) return failure;
  if (failure.code === 'ERR_NACUE_SHAPE') return wrongShape(failure.message);
  return new NacueError(failure.code, failure.message, { detail: failure.detail });
}

function isNativeFailure(value: unknown): value is NativeFailure {
  return (
    typeof value === 'object' && value !== null && 'code' in value && Object.hasOwn(errorCodes, String(value.code))
  );
}
