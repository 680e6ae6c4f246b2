import { abortable } from './abort.js';
import {
  callNative,
  type NativeConfig,
  type NativeDetector,
  type NativeScore,
  type NativeState,
  type NativeStatus,
  type NativeTensor,
  nativeError,
  type Settle,
  type Ticket,
} from './addon/binding.js';
import { cudaProblem, loadBinding } from './addon/first-use.js';
import { type Batch, type Batches, checkBatch } from './batch.js';
import { type BatchWork, Calls } from './calls.js';
import { invalidType, NacueError } from './errors.js';
import { warnOfChannelsLast } from './layout.js';
import { checkModel, copyBytes } from './model.js';
import {
  checkBoolean,
  checkFunction,
  checkKeys,
  checkNativeBinding,
  checkPath,
  checkSignal,
  wholeNumber,
} from './option-checks.js';
import {
  type Aggregation,
  type BindingOptions,
  type Binning,
  type Device,
  type NACUEOptions,
  optionNames,
  type Preset,
  parseDevice,
  parseOptions,
  parseOStar,
} from './options.js';
import type {
  CalibrateOptions,
  CallOptions,
  Counts,
  CoverageReport,
  ExecutionPlan,
  FitOptions,
  LayerContributions,
  LayerInfo,
  RestoreOptions,
  Score,
  ScoreOptions,
} from './results.js';
import { checkState, mergeStates, optionsOfState, readState, type StateSource, writeAtomically } from './state.js';
import { checkTpr, outliers, type Threshold, thresholdAt } from './threshold.js';
import { version } from './version.js';

/** For `tune()`, which works beside the methods of the class. */
export let partsOf: (detector: NACUE) => DetectorParts;

/**
 * NAC-UE: tells how far the neuron activations of an input lie outside of what a classifier showed on its training data.
 *
 * Equals `pytorch_ood.detector.NACUE` 0.4.0 bit for bit on the CPU with the same LibTorch version and number of threads; with
 * `preset: 'openood'` it equals the authors' own code, scores negated; with `mode: 'fast'` it deviates from both. Method: "Neuron Activation
 * Coverage", arXiv 2306.02879. Calls on one detector run in call order on a thread of its own.
 *
 * @example
 * const detector = await NACUE.create('classifier.pt', { layers: ['layer3', 'avgpool'], inputShape: [3, 224, 224] });
 * await detector.fit(trainingBatches);
 * await detector.calibrate(heldOutBatches, { tpr: 0.95 });
 * await detector.save('classifier.nacue.safetensors');
 * const { scores, isOutlier } = await detector.score({ data, shape: [16, 3, 224, 224] });
 * await detector.close();
 */
export class NACUE implements AsyncDisposable {
  readonly #source: string | Uint8Array;
  readonly #native: NativeDetector;
  readonly #config: NativeConfig;
  readonly #calls: Calls;
  #threshold: Threshold | undefined;
  #layoutChecked = false;
  #lastStatus: NativeStatus;

  static {
    partsOf = (detector) => ({
      source: detector.#source,
      native: detector.#native,
      config: detector.#config,
      calls: detector.#calls,
    });
  }

  private constructor(source: string | Uint8Array, native: NativeDetector, config: NativeConfig) {
    this.#source = source;
    this.#native = native;
    this.#config = config;
    this.#calls = new Calls(native);
    this.#lastStatus = native.status();
    if (config.inputShape) this.#checkLayout(config.inputShape);
  }

  /**
   * Loads a TorchScript classifier and finds the layers.
   *
   * @param model path of the file, or its bytes. A TorchScript file is a program: load only files you trust.
   * @throws TypeError, RangeError for wrong arguments; NacueError `ERR_NACUE_LIBTORCH_*`, `ERR_NACUE_LOAD_FAILED`,
   * `ERR_NACUE_MODEL_*`, `ERR_NACUE_LAYER_*`, `ERR_NACUE_LOGITS`, `ERR_NACUE_DEVICE_UNAVAILABLE`
   */
  static async create(model: string | Uint8Array, options: NACUEOptions): Promise<NACUE> {
    return NACUE.#load(model, options, {}, async () => {});
  }

  /**
   * Loads a classifier together with what {@link NACUE.save}, {@link NACUE.toBuffer}, {@link NACUE.merge} or Python's
   * `nacue_bridge.save_detector` wrote: the detector is fitted, and calibrated if the one saved was.
   *
   * @param model as for {@link NACUE.create}; the file that was fitted
   * @param state path of the state file, or its bytes
   * @throws as {@link NACUE.create}; NacueError `ERR_NACUE_STATE_NOT_FOUND`, `_FORMAT`, `_VERSION`, `_INVALID`, and `_MISMATCH` when the
   * state is for another model, other layers, neurons, options, mode or precision than asked for
   *
   * @example
   * const detector = await NACUE.restore('classifier.pt', 'classifier.nacue.safetensors', { device: 'auto' });
   */
  static async restore(model: string | Uint8Array, state: StateSource, options: RestoreOptions = {}): Promise<NACUE> {
    const checked = checkModel(model);
    const source = typeof checked === 'string' ? checked : copyBytes(checked); // read only after the state
    const stored = checkState('state', state);
    const keys = [...optionNames, 'allowModelMismatch', 'allowModeMismatch'];
    const { allowModelMismatch = false, allowModeMismatch = false, ...asked } = checkKeys('options', options, keys);
    checkBoolean('allowModelMismatch', allowModelMismatch);
    checkBoolean('allowModeMismatch', allowModeMismatch);
    checkSignal(asked.signal);
    const bytes = await readState(stored);
    const binding = loadBinding(checkNativeBinding(asked.nativeBinding));
    const contents = await callNative<NativeState>((settle) => binding.readState(bytes, settle));
    const anyModel = allowModelMismatch || contents.modelSha256 === '';
    const expected = { allowModeMismatch, ...(!anyModel && { expectedSha256: contents.modelSha256 }) };
    const detector = await NACUE.#load(source, optionsOfState(contents, asked), expected, (native) =>
      callNative<void>((settle) => native.restore(bytes, settle)),
    );
    detector.#threshold = contents.threshold ?? undefined;
    return detector;
  }

  /**
   * Adds up the states of fits on parts of the data: the same bytes as the state of one fit on all of it, whatever the parts and
   * their order. Thresholds are dropped: they belong to the scores of a part.
   *
   * @param states paths or bytes, in any mixture; at least one
   * @throws NacueError `ERR_NACUE_STATE_NOT_FOUND`, `_FORMAT`, `_VERSION`, `_INVALID`, and `_MISMATCH` when they differ in more than counts
   *
   * @example
   * fs.writeFileSync('all.safetensors', NACUE.merge(['part-1.safetensors', 'part-2.safetensors']));
   */
  static merge(states: readonly StateSource[], options: BindingOptions = {}): Uint8Array {
    return mergeStates(states, options);
  }

  static async #load(
    model: string | Uint8Array,
    options: NACUEOptions,
    expected: Pick<NativeConfig, 'expectedSha256' | 'allowModeMismatch'>,
    prepare: (native: NativeDetector) => Promise<void>,
  ): Promise<NACUE> {
    const source = checkModel(model);
    const config = { ...parseOptions(options), ...expected };
    const { signal } = options;
    checkSignal(signal);
    signal?.throwIfAborted();
    const { Detector } = loadBinding(checkNativeBinding(options.nativeBinding));
    checkDevice(config.device);
    const native = new Detector();
    try {
      const load = callNative<void>((settle) => native.load(source, config, settle));
      await abortable(
        load.then(() => prepare(native)),
        signal,
      );
      return new NACUE(source, native, config);
    } catch (error) {
      native.close(() => {});
      throw error;
    }
  }

  /**
   * Counts the neuron states of in-distribution samples, from zero. All or nothing: when anything fails, what was fitted before stays.
   * A threshold is dropped: it belongs to the former counts.
   *
   * @param batches training samples of the classes the model knows; never evaluate on the same samples
   * @throws NacueError `ERR_NACUE_EMPTY_FIT`, `ERR_NACUE_NON_FINITE`, `ERR_NACUE_MODEL_RUN`, `ERR_NACUE_LAYER_*`, `ERR_NACUE_LOGITS`,
   * `ERR_NACUE_CLOSED`; RangeError `ERR_NACUE_SHAPE`; whatever the iterator throws; `signal.reason`
   */
  async fit(batches: Batches, options: FitOptions = {}): Promise<this> {
    return this.#fit(true, batches, options);
  }

  /** The same as {@link NACUE.fit}, but adds to the counts that are there, also to restored ones. */
  async partialFit(batches: Batches, options: FitOptions = {}): Promise<this> {
    return this.#fit(false, batches, options);
  }

  /**
   * Scores a batch: (B,) float32, larger = more out-of-distribution.
   *
   * score_b = - sum_l w_l mean_n min(count_l[n, bin(b, n)] / O*_l, 1), in [-L, 0]: the paper's NAC-UE as pytorch-ood computes it.
   * With aggregation `'mean'`, the default of preset `'openood'`, divided by the sum of the weights: in [-1, 0]. The batch is copied
   * before the call returns.
   *
   * @throws NacueError `ERR_NACUE_NOT_FITTED`, `ERR_NACUE_NON_FINITE`, `ERR_NACUE_MODEL_RUN`, `ERR_NACUE_STATE_MISMATCH` when the first
   * batch after a restore shows other neurons than the state's, `ERR_NACUE_CLOSED`; RangeError `ERR_NACUE_SHAPE`; `signal.reason`
   */
  async predict(batch: Batch, options: CallOptions = {}): Promise<Float32Array> {
    const { signal } = checkKeys('options', options, ['signal']);
    return this.#onBatch<Float32Array>(batch, signal, (data, shape, settle) =>
      this.#native.predict(data, shape, settle),
    );
  }

  /**
   * Scores a batch like {@link NACUE.predict} and returns what else the same pass gives: the coverage per layer, the logits, after
   * `calibrate()` the decision, and with `explain: k` the k neurons per sample and layer that cost most coverage.
   */
  async score(batch: Batch, options: ScoreOptions = {}): Promise<Score> {
    const { explain: most, signal } = checkKeys('options', options, ['explain', 'signal']);
    const explain = most === undefined ? 0 : wholeNumber('explain', most, 1);
    let threshold: number | undefined;
    const { explanations, ...score } = await this.#onBatch<NativeScore>(batch, signal, (data, shape, settle) => {
      threshold = this.#threshold?.value; // the one in force when this call's turn comes
      return this.#native.score(data, shape, explain, settle);
    });
    return {
      ...score,
      ...(threshold !== undefined && { isOutlier: outliers(score.scores, threshold) }),
      ...(explain > 0 && { explanation: explanations.map((part, i) => ({ layer: this.#layerName(i), ...part })) }),
    };
  }

  /**
   * The contributions q (B, N) of a batch, per layer in the order of `layers`: z * dLoss/dz, reduced; with preset `'openood'` the
   * product of both reduced. Needs no fit.
   *
   * @throws as {@link NACUE.predict}
   */
  async contributions(batch: Batch, options: CallOptions = {}): Promise<LayerContributions[]> {
    const { signal } = checkKeys('options', options, ['signal']);
    const layers = await this.#onBatch<NativeTensor[]>(batch, signal, (data, shape, settle) =>
      this.#native.contributions(data, shape, settle),
    );
    return layers.map((tensor, i) => ({ layer: this.#layerName(i), ...tensor }));
  }

  /**
   * Sets the threshold above which `score()` calls a sample an outlier, from the scores of in-distribution samples that were not in
   * the fit.
   *
   * The threshold is the exact quantile: the smallest of their scores so that at least the share `tpr` of them is not above it. A sample
   * that ties with it is no outlier. It is stored with the state; a fit and `setOStar` drop it.
   *
   * @returns the threshold
   * @throws NacueError `ERR_NACUE_NOT_FITTED`, `ERR_NACUE_EMPTY_FIT` without samples, and as {@link NACUE.predict}; the former threshold
   * then stays
   */
  async calibrate(batches: Batches, options: CalibrateOptions = {}): Promise<number> {
    const tpr = checkTpr(checkKeys('options', options, ['onProgress', 'signal', 'tpr']).tpr);
    const scores: Float32Array[] = [];
    let threshold = Number.NaN;
    await this.#pass(batches, options, {
      work: async ({ data, shape }) => {
        scores.push(await this.#run<Float32Array>((settle) => this.#native.predict(data, shape, settle)));
      },
      commit: async () => {
        threshold = thresholdAt(scores, tpr);
        this.#threshold = { value: threshold, tpr };
      },
    });
    return threshold; // a later call may have dropped the detector's by now
  }

  /**
   * NAC-ME per layer and in total: mean over neurons of sum_bins min(count / O*, 1) / M, as `get_score` of the authors'
   * code computes it; the total is the mean of the layers.
   *
   * @throws NacueError `ERR_NACUE_NOT_FITTED`, `ERR_NACUE_CLOSED`
   */
  async coverage(): Promise<CoverageReport> {
    const values = await this.#calls.queue<Float64Array>((settle) => this.#native.coverage(settle));
    const layers = Array.from(values, (coverage, i) => ({ layer: this.#layerName(i), coverage }));
    return { total: values.reduce((sum, value) => sum + value, 0) / values.length, layers };
  }

  /**
   * Changes O*, one value or one per layer; the counts do not depend on it. Changing M, alpha, the bins or a reduce needs a new fit. The
   * threshold is dropped.
   *
   * @throws TypeError `ERR_NACUE_INVALID_ARG_TYPE`, RangeError `ERR_NACUE_OUT_OF_RANGE`, NacueError `ERR_NACUE_CLOSED`
   */
  async setOStar(oStar: number | readonly number[]): Promise<this> {
    const values = parseOStar(oStar, this.#config.layers.length);
    await this.#calls.queue<void>((settle) => {
      const ticket = this.#native.setOStar(values, settle);
      for (const [i, layer] of this.#config.layers.entries()) layer.oStar = values[i] as number;
      this.#threshold = undefined;
      return ticket;
    });
    return this;
  }

  /**
   * The state of the fit as safetensors bytes: counts, bin edges, all options that they depend on, the hash of the model, the threshold.
   * The same fit gives the same bytes.
   *
   * @throws NacueError `ERR_NACUE_NOT_FITTED`, `ERR_NACUE_CLOSED`
   */
  async toBuffer(): Promise<Uint8Array> {
    return this.#calls.queue<Uint8Array>((settle) => this.#native.state(this.#threshold ?? null, version, settle));
  }

  /**
   * Writes {@link NACUE.toBuffer} to a file, so that at any moment the old file or the new one is there, whole.
   *
   * @throws as {@link NACUE.toBuffer}; NacueError `ERR_NACUE_STATE_WRITE`
   */
  async save(path: string): Promise<void> {
    await writeAtomically(checkPath('path', path), await this.toBuffer());
  }

  /**
   * Moves the model and the counts to another device.
   *
   * @throws NacueError `ERR_NACUE_DEVICE_UNAVAILABLE`; the detector then stays where it was
   */
  async to(device: Device): Promise<this> {
    const name = parseDevice('device', device);
    this.#calls.checkUsable();
    checkDevice(name);
    await this.#calls.inTurn(() => this.#run<void>((settle) => this.#native.to(name, settle)));
    return this;
  }

  /**
   * A copy of the histogram of one layer.
   *
   * @throws NacueError `ERR_NACUE_NOT_FITTED`, `ERR_NACUE_LAYER_NOT_FOUND`, `ERR_NACUE_CLOSED`
   */
  counts(layer: string): Counts {
    if (typeof layer !== 'string') throw invalidType('layer', 'the name of a layer', layer);
    this.#calls.checkUsable();
    const index = this.#config.layers.findIndex(({ name }) => name === layer);
    if (index < 0) {
      const names = this.#config.layers.map(({ name }) => `'${name}'`).join(', ');
      throw new NacueError('ERR_NACUE_LAYER_NOT_FOUND', `'${layer}' is not one of this detector's layers: ${names}`);
    }
    try {
      return this.#native.counts(index);
    } catch (error) {
      throw nativeError(error);
    }
  }

  /** The watched layers, in the order of the options. */
  get layers(): LayerInfo[] {
    const status = this.#status();
    return this.#config.layers.map(({ reduce, reduceModule, ...layer }, i) => ({
      ...layer,
      featureReduce: reduceModule ?? reduce,
      neurons: status.layers[i]?.neurons ?? undefined,
      outputShape: status.layers[i]?.outputShape ?? undefined,
    }));
  }

  /** Whose numbers these are. */
  get preset(): Preset {
    return this.#config.preset;
  }

  get binning(): Binning {
    return this.#config.binning;
  }

  get aggregation(): Aggregation {
    return this.#config.aggregation;
  }

  /** How the model runs. */
  get plan(): ExecutionPlan {
    const { channelsLast, chunkSize, ...plan } = this.#status().plan;
    const memoryFormat = channelsLast ? 'channels-last' : 'contiguous';
    return { ...plan, memoryFormat, chunkSize: chunkSize ?? undefined };
  }

  /** The score above which a sample is an outlier; undefined before `calibrate()`. */
  get threshold(): number | undefined {
    return this.#threshold?.value;
  }

  /** Whether a fit has succeeded. */
  get fitted(): boolean {
    return this.#status().fitted;
  }

  /** How many samples are in the counts. */
  get samples(): number {
    return this.#status().samples;
  }

  /** Where the model and the counts are: `'cpu'` or `'cuda:N'`. */
  get device(): string {
    return this.#status().device;
  }

  /** Whether {@link NACUE.close} was called. */
  get closed(): boolean {
    return this.#calls.closed;
  }

  /**
   * Ends a running fit, lets earlier calls finish, frees the model. Later calls reject with `ERR_NACUE_CLOSED`; closing again is no error.
   */
  close(): Promise<void> {
    this.#status();
    return this.#calls.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #fit(fromZero: boolean, batches: Batches, options: FitOptions): Promise<this> {
    await this.#pass(batches, checkKeys('options', options, ['onProgress', 'signal']), {
      begin: () => this.#run<void>((settle) => this.#native.beginFit(fromZero, settle)),
      work: ({ data, shape }) => this.#run<void>((settle) => this.#native.fitBatch(data, shape, settle)),
      commit: async () => {
        await this.#run<void>((settle) => this.#native.commitFit(settle));
        this.#threshold = undefined;
      },
      abort: () => this.#run<void>((settle) => this.#native.abortFit(settle)),
    });
    return this;
  }

  /** A pass over batches in its turn: all of it, or `abort`. */
  async #pass(
    batches: Batches,
    { signal, onProgress }: FitOptions,
    { begin, work, commit, abort }: Pass,
  ): Promise<void> {
    checkSignal(signal);
    checkFunction('onProgress', onProgress);
    const source = this.#calls.iterate(batches);
    this.#calls.checkUsable();
    signal?.throwIfAborted();
    const stop = this.#calls.stopSignal(signal);
    await this.#calls.inTurn(async () => {
      stop.throwIfAborted();
      await begin?.();
      try {
        await this.#calls.pass(
          source,
          this.#config.inputShape,
          (batch) => this.#afterBatch(work(batch), batch.shape),
          stop,
          onProgress,
        );
        await commit();
      } catch (error) {
        await abort?.();
        throw error;
      }
    }, stop);
  }

  /** One native call on one batch, which is copied before this returns. */
  async #onBatch<T>(
    batch: Batch,
    signal: AbortSignal | undefined,
    start: (data: Float32Array, shape: number[], settle: Settle<T>) => Ticket,
  ): Promise<T> {
    checkSignal(signal);
    const checked = checkBatch(batch, this.#config.inputShape);
    return this.#afterBatch(
      this.#calls.queueBatch<T>(checked, ({ data, shape }, settle) => start(data, shape, settle), signal),
      checked.shape,
    );
  }

  async #afterBatch<T>(call: Promise<T>, shape: number[]): Promise<T> {
    const result = await call;
    const isEmpty = shape[0] === 0; // it never met the model
    if (!this.#layoutChecked && !this.closed && !isEmpty) this.#checkLayout(shape.slice(1));
    return result;
  }

  #checkLayout(input: readonly number[]): void {
    this.#layoutChecked = true;
    warnOfChannelsLast(this.layers, input);
  }

  #run<T>(start: (settle: Settle<T>) => Ticket): Promise<T> {
    return this.#calls.run(start);
  }

  #layerName(index: number): string {
    return (this.#config.layers[index] as NativeConfig['layers'][number]).name;
  }

  #status(): NativeStatus {
    if (!this.closed) this.#lastStatus = this.#native.status();
    return this.#lastStatus;
  }
}

/** What the inside of this package needs of a detector. */
export interface DetectorParts {
  /** What it was created from. */
  source: string | Uint8Array;
  native: NativeDetector;
  config: NativeConfig;
  calls: Calls;
}

/** The parts of a pass over batches. */
interface Pass {
  begin?: () => Promise<void>;
  work: BatchWork;
  commit: () => Promise<void>;
  abort?: () => Promise<void>;
}

function checkDevice(name: string): void {
  if (!name.startsWith('cuda')) return;
  const problem = cudaProblem();
  if (problem) throw new NacueError('ERR_NACUE_DEVICE_UNAVAILABLE', `device '${name}' cannot be used: ${problem}`);
}
