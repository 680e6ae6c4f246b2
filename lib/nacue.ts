import { AsyncLocalStorage } from 'node:async_hooks';
import { abortable, anySignal } from './abort.js';
import { type Batch, type CheckedBatch, checkBatch, copyBatch } from './batch.js';
import {
  callNative,
  cudaProblem,
  loadBinding,
  type NativeConfig,
  type NativeDetector,
  type NativeStatus,
  nativeError,
  type Settle,
  type Ticket,
} from './binding.js';
import { invalidType, NacueError } from './errors.js';
import { checkModel } from './model.js';
import {
  checkSignal,
  type Device,
  type LayerOptions,
  type NACUEOptions,
  parseDevice,
  parseOptions,
} from './options.js';

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

/** What {@link NACUE.score} returns for a batch of B samples. */
export interface Score {
  /** (B,) in [-L, 0]; larger = more out-of-distribution. The same numbers as `predict`. */
  scores: Float32Array;
  /** (L, B) in [0, 1]: the mean coverage per layer, in the order of `layers`; larger = more in-distribution. */
  layerScores: Tensor;
  /** (B, C): what the model predicts. */
  logits: Tensor;
}

/** One watched layer. */
export interface LayerInfo extends LayerOptions {
  /** N, known after the first batch or when `inputShape` was given. */
  neurons: number | undefined;
  /** Without the batch dimension; known like `neurons`. */
  outputShape: number[] | undefined;
}

/** Options of one call. */
export interface CallOptions {
  /** Aborts the call: it rejects with `signal.reason`, and is dropped from the queue if it has not begun. */
  signal?: AbortSignal;
}

/** How far a fit has come. */
export interface FitProgress {
  batches: number;
  samples: number;
  elapsedMs: number;
}

/** Options of {@link NACUE.fit} and {@link NACUE.partialFit}. */
export interface FitOptions extends CallOptions {
  /** Called after each batch. What it throws ends the fit. */
  onProgress?: (progress: FitProgress) => void;
}

type Batches = Iterable<Batch> | AsyncIterable<Batch>;

/**
 * NAC-UE: tells how far the neuron activations of an input lie outside of what a classifier showed on its training data.
 *
 * Equals `pytorch_ood.detector.NACUE` 0.4.0 bit for bit on the CPU with the same LibTorch version and number of threads.
 * Method: "Neuron Activation Coverage", arXiv 2306.02879. Calls on one detector run in call order on a thread of its own.
 *
 * @example
 * const detector = await NACUE.create('classifier.pt', { layers: ['layer3', 'avgpool'], inputShape: [3, 224, 224] });
 * await detector.fit(trainingBatches);
 * const scores = await detector.predict({ data, shape: [16, 3, 224, 224] });
 * await detector.close();
 */
export class NACUE implements AsyncDisposable {
  readonly #native: NativeDetector;
  readonly #config: NativeConfig;
  readonly #closing = new AbortController();
  /** Set while this detector's own fit asks its iterator for the next batch. */
  readonly #iterating = new AsyncLocalStorage<{ active: boolean }>();
  /** Calls that have not settled. */
  readonly #outstanding = new Set<Promise<unknown>>();
  /** Resolves when the next call may go to the native queue; undefined while no fit and no move is under way. */
  #turn: Promise<void> | undefined;
  #closed: Promise<void> | undefined;
  #lastStatus: NativeStatus;

  private constructor(native: NativeDetector, config: NativeConfig) {
    this.#native = native;
    this.#config = config;
    this.#lastStatus = native.status();
  }

  /**
   * Loads a TorchScript classifier and finds the layers.
   *
   * @param model path of the file, or its bytes. A TorchScript file is a program: load only files you trust.
   * @throws TypeError, RangeError for wrong arguments; NacueError `ERR_NACUE_LIBTORCH_*`, `ERR_NACUE_LOAD_FAILED`,
   * `ERR_NACUE_MODEL_*`, `ERR_NACUE_LAYER_*`, `ERR_NACUE_LOGITS`, `ERR_NACUE_DEVICE_UNAVAILABLE`
   */
  static async create(model: string | Uint8Array, options: NACUEOptions): Promise<NACUE> {
    const source = checkModel(model);
    const config = parseOptions(options);
    const { signal } = options;
    checkSignal(signal);
    signal?.throwIfAborted();
    checkDevice(config.device);
    const native = new (loadBinding().Detector)();
    try {
      await abortable(
        callNative<void>((settle) => native.load(source, config, settle)),
        signal,
      );
      return new NACUE(native, config);
    } catch (error) {
      native.close(() => {});
      throw error;
    }
  }

  /**
   * Counts the neuron states of in-distribution samples, from zero. All or nothing: when anything fails, what was fitted before stays.
   *
   * @param batches training samples of the classes the model knows; never evaluate on the same samples
   * @throws NacueError `ERR_NACUE_EMPTY_FIT`, `ERR_NACUE_NON_FINITE`, `ERR_NACUE_MODEL_RUN`, `ERR_NACUE_LAYER_*`, `ERR_NACUE_LOGITS`,
   * `ERR_NACUE_CLOSED`; RangeError `ERR_NACUE_SHAPE`; whatever the iterator throws; `signal.reason`
   */
  async fit(batches: Batches, options: FitOptions = {}): Promise<this> {
    return this.#fit(true, batches, options);
  }

  /** The same as {@link NACUE.fit}, but adds to the counts that are there. */
  async partialFit(batches: Batches, options: FitOptions = {}): Promise<this> {
    return this.#fit(false, batches, options);
  }

  /**
   * Scores a batch: (B,) float32 in [-L, 0], larger = more out-of-distribution.
   *
   * score_b = - sum_l mean_n min(count_l[n, bin(b, n)] / O*_l, 1), the paper's section 3.2 as pytorch-ood computes it. The batch is
   * copied before the call returns.
   *
   * @throws NacueError `ERR_NACUE_NOT_FITTED`, `ERR_NACUE_NON_FINITE`, `ERR_NACUE_MODEL_RUN`, `ERR_NACUE_CLOSED`; RangeError
   * `ERR_NACUE_SHAPE`; `signal.reason`
   */
  async predict(batch: Batch, options: CallOptions = {}): Promise<Float32Array> {
    return this.#scoring<Float32Array>(batch, options, (native, { data, shape }, settle) =>
      native.predict(data, shape, settle),
    );
  }

  /** Scores a batch like {@link NACUE.predict} and returns the coverage per layer and the logits of the same pass. */
  async score(batch: Batch, options: CallOptions = {}): Promise<Score> {
    return this.#scoring<Score>(batch, options, (native, { data, shape }, settle) => native.score(data, shape, settle));
  }

  /**
   * Moves the model and the counts to another device.
   *
   * @throws NacueError `ERR_NACUE_DEVICE_UNAVAILABLE`; the detector then stays where it was
   */
  async to(device: Device): Promise<this> {
    const name = parseDevice('device', device);
    this.#checkUsable();
    checkDevice(name);
    await this.#inTurn(() => this.#run<void>((settle) => this.#native.to(name, settle)));
    return this;
  }

  /**
   * A copy of the histogram of one layer.
   *
   * @throws NacueError `ERR_NACUE_NOT_FITTED`, `ERR_NACUE_LAYER_NOT_FOUND`, `ERR_NACUE_CLOSED`
   */
  counts(layer: string): Counts {
    this.#checkUsable();
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
    return this.#config.layers.map((layer, i) => ({
      ...layer,
      neurons: status.layers[i]?.neurons ?? undefined,
      outputShape: status.layers[i]?.outputShape ?? undefined,
    }));
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
    return this.#closed !== undefined;
  }

  /**
   * Ends a running fit, lets earlier calls finish, frees the model. Later calls reject with `ERR_NACUE_CLOSED`; closing again is no error.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    this.#lastStatus = this.#native.status();
    this.#closing.abort(closedError());
    await Promise.allSettled(this.#outstanding);
    await callNative<void>((settle) => this.#native.close(settle));
  }

  async #fit(fromZero: boolean, batches: Batches, options: FitOptions): Promise<this> {
    const { signal, onProgress } = options;
    checkSignal(signal);
    if (onProgress !== undefined && typeof onProgress !== 'function')
      throw invalidType('onProgress', 'a function', onProgress);
    const next = this.#iterate(batches);
    this.#checkUsable();
    signal?.throwIfAborted();
    const stop = anySignal(signal, this.#closing.signal);
    await this.#inTurn(async () => {
      stop.throwIfAborted();
      await this.#run<void>((settle) => this.#native.beginFit(fromZero, settle));
      try {
        await this.#fitBatches(next, stop, onProgress);
        await this.#run<void>((settle) => this.#native.commitFit(settle));
      } catch (error) {
        await this.#run<void>((settle) => this.#native.abortFit(settle));
        throw error;
      }
    }, stop);
    return this;
  }

  /** Asks for the next batch while the native side works on the last one. */
  async #fitBatches(
    source: BatchSource,
    stop: AbortSignal,
    onProgress: ((progress: FitProgress) => void) | undefined,
  ): Promise<void> {
    const began = performance.now();
    const progress = { batches: 0, samples: 0 };
    let working: Promise<void> = Promise.resolve();
    try {
      for (;;) {
        const step = await abortable(source.next(), stop);
        await working;
        stop.throwIfAborted();
        if (step.done) return;
        const { data, shape } = checkBatch(step.value, this.#config.inputShape);
        working = this.#run<void>((settle) => this.#native.fitBatch(data, shape, settle)).then(() => {
          progress.batches += 1;
          progress.samples += shape[0] as number;
          onProgress?.({ ...progress, elapsedMs: performance.now() - began });
        });
        working.catch(() => {}); // awaited in the next round; until then it must not count as unhandled
      }
    } catch (error) {
      source.stop();
      throw error;
    }
  }

  /** The batches one by one, in a context in which this detector refuses to be called. */
  #iterate(batches: Batches): BatchSource {
    const iterator = openIterator(batches);
    const context = { active: false };
    return {
      next: async () => {
        context.active = true;
        try {
          return await this.#iterating.run(context, async () => iterator.next());
        } finally {
          context.active = false;
        }
      },
      // As for await does after a throw: what return() throws in turn is dropped. A busy iterator is not waited for.
      stop: () => {
        (async () => iterator.return?.())().catch(() => {});
      },
    };
  }

  async #scoring<T>(
    batch: Batch,
    { signal }: CallOptions,
    start: (native: NativeDetector, batch: CheckedBatch, settle: Settle<T>) => Ticket,
  ): Promise<T> {
    checkSignal(signal);
    const checked = checkBatch(batch, this.#config.inputShape);
    this.#checkUsable();
    signal?.throwIfAborted();
    const submit = (from: CheckedBatch) => this.#run<T>((settle) => start(this.#native, from, settle), signal);
    if (!this.#turn) return this.#track(submit(checked));
    const copy = copyBatch(checked);
    return this.#inTurn((handOver) => {
      const call = submit(copy);
      handOver();
      return call;
    }, signal);
  }

  /**
   * Starts `work` when all earlier calls are in the native queue or done. Later calls get their turn when it calls `handOver`, at
   * the latest when it is done.
   */
  #inTurn<T>(work: (handOver: () => void) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const before = this.#turn;
    let handOver: () => void = () => {};
    const handedOver = new Promise<void>((resolve) => {
      handOver = resolve;
    });
    const turn = Promise.all([before, handedOver]).then(() => {
      if (this.#turn === turn) this.#turn = undefined;
    });
    this.#turn = turn;
    const run = async () => {
      try {
        if (before) await abortable(before, signal);
        return await work(handOver);
      } finally {
        handOver();
      }
    };
    return this.#track(run());
  }

  /** One native call; an abort takes it out of the queue or, once it runs, drops its result. */
  async #run<T>(start: (settle: Settle<T>) => Ticket, signal?: AbortSignal): Promise<T> {
    let ticket: Ticket | undefined;
    const call = callNative<T>((settle) => {
      ticket = start(settle);
      return ticket;
    });
    if (!signal) return call;
    try {
      return await abortable(call, signal);
    } finally {
      if (signal.aborted && ticket !== undefined) this.#native.cancel(ticket);
    }
  }

  #track<T>(promise: Promise<T>): Promise<T> {
    const forget = () => this.#outstanding.delete(promise);
    this.#outstanding.add(promise);
    promise.then(forget, forget);
    return promise;
  }

  #checkUsable(): void {
    if (this.closed) throw closedError();
    if (!this.#iterating.getStore()?.active) return;
    throw new NacueError(
      'ERR_NACUE_REENTRANT',
      'the detector was called from inside the iterator of its own fit: the call would wait for the fit, and the fit for the call',
    );
  }

  #status(): NativeStatus {
    if (!this.closed) this.#lastStatus = this.#native.status();
    return this.#lastStatus;
  }
}

interface BatchSource {
  next(): Promise<IteratorResult<Batch>>;
  stop(): void;
}

type BatchIterator = Iterator<Batch> | AsyncIterator<Batch>;

function openIterator(batches: Batches): BatchIterator {
  const expected = 'an Iterable or AsyncIterable of batches';
  if (typeof batches !== 'object' || batches === null || ArrayBuffer.isView(batches))
    throw invalidType('batches', expected, batches);
  if (Symbol.asyncIterator in batches) return batches[Symbol.asyncIterator]();
  if (Symbol.iterator in batches) return batches[Symbol.iterator]();
  throw invalidType('batches', expected, batches);
}

function checkDevice(name: string): void {
  if (!name.startsWith('cuda')) return;
  const problem = cudaProblem();
  if (problem) throw new NacueError('ERR_NACUE_DEVICE_UNAVAILABLE', `device '${name}' cannot be used: ${problem}`);
}

function closedError(): NacueError {
  return new NacueError('ERR_NACUE_CLOSED', 'the detector was closed');
}
