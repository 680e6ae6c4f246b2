/** Searches the hyperparameters of a detector on samples that it passes through the model once. */
import { abortable } from './abort.js';
import type {
  NativeCandidate,
  NativeConfig,
  NativeSearchConfig,
  NativeSearchProgress,
  NativeSearchResult,
} from './addon/binding.js';
import type { Batches, CheckedBatch } from './batch.js';
import { NacueError, outOfRange } from './errors.js';
import { chunksOf } from './execution-options.js';
import { hashModel } from './model.js';
import { type DetectorParts, NACUE, partsOf } from './nacue.js';
import type { Binning, Device, NACUEOptions } from './options.js';
import { leastSamples, parseSearch, parseSets, type TuneMetric, type TuneOptions } from './tune-options.js';
import { formatTuning } from './tuning-table.js';
import { version } from './version.js';

export type { TuneMetric, TuneOptions, TuneProgress } from './tune-options.js';

/** Options that a search has scored. Spread into those that the detector was created with, they make the detector of the candidate. */
export type TunedOptions = Required<
  Pick<NACUEOptions, 'layers' | 'mBins' | 'alpha' | 'oStar' | 'binning' | 'featureReduce' | 'layerWeights'>
>;

/** One combination. */
export interface TunedCandidate {
  options: TunedOptions;
  /** The metric on the samples of the search, averaged over the OOD sets. */
  value: number;
  /** The metric on the samples that were held back; null where there are none. */
  heldBack: number | null;
}

/** What {@link tune} returns. */
export interface Tuning {
  metric: TuneMetric;
  /** Best first, by `value`; on equal values the detector's own options, then fewer layers come first. */
  ranking: TunedCandidate[];
  /** The first of the ranking, unless it is worse than `own` on the held-back samples: then `own`. */
  best: TunedCandidate;
  /** The detector's own options. */
  own: TunedCandidate;
  /** Whether the first of the ranking was worse than `own` on the held-back samples. */
  overfitted: boolean;
  /** How many combinations were scored. */
  scored: number;
  /** Whether these were all. */
  exhaustive: boolean;
  /** Whether the contributions were kept on disk. */
  spilled: boolean;
  samples: { fit: number; id: number; ood: Record<string, number> };
  /** A new detector with the best options, fitted; close it when it is not needed. */
  detector: NACUE;
  /** The ranking as a table. */
  toString(): string;
}

/**
 * Finds good options for a detector: M, alpha and O* per layer, which layers to use and, if asked, the bin rule.
 *
 * Every batch passes through the model once; its contributions are kept, and all candidates are histograms and sums over them. A part
 * of the ID and OOD samples is held back, and what the search finds must not be worse there than the detector's own options. The
 * authors' code searches its grids likewise, on cached states. The same samples in the same batches give the same result, on any
 * number of cores.
 *
 * @throws TypeError `ERR_NACUE_INVALID_ARG_TYPE`; RangeError `ERR_NACUE_OUT_OF_RANGE`, also for sets with too few samples,
 * `ERR_NACUE_SHAPE` when batches have other numbers of neurons than the first; what `detector.contributions` rejects with; NacueError
 * `ERR_NACUE_SPILL`, `ERR_NACUE_CLOSED`, `ERR_NACUE_STATE_MISMATCH` and `ERR_NACUE_MODEL_NOT_FOUND` when the model's file or bytes have
 * changed since the detector was created or are gone; whatever an iterator or `onProgress` throws; `signal.reason`
 *
 * @example
 * const tuning = await tune({ detector, fit, id, ood: { textures }, grid: { alpha: [1, 10, 100, 1000], oStar: [5, 50] } });
 * console.log(String(tuning));
 * await tuning.detector.save('tuned.safetensors');
 */
export async function tune(options: TuneOptions): Promise<Tuning> {
  const { fit, id, ood } = parseSets(options);
  const parts = partsOf(options.detector);
  const config = parseSearch(options, parts.config, ood.size);
  options.signal?.throwIfAborted();
  parts.calls.checkUsable();
  const search = new RunningSearch(parts, config, options);
  try {
    await search.checkModel();
    const least = leastSamples(config.heldBack);
    const samples = { fit: await search.collect('fit', fit, 1), id: await search.collect('id', id, least) };
    const oodSamples: [string, number][] = [];
    for (const [name, batches] of ood) oodSamples.push([name, await search.collect(name, batches, least)]);
    const result = await search.run();
    const { best, overfitted } = choose(result, config.metric);
    const describe = (candidate: NativeCandidate) => candidateOf(candidate, config, parts.config);
    const tuning = {
      metric: config.metric,
      ranking: result.ranking.map(describe),
      best: describe(best),
      own: describe(result.own),
      overfitted,
      scored: result.scored,
      exhaustive: result.isExhaustive,
      spilled: result.isOnDisk,
      samples: { ...samples, ood: Object.fromEntries(oodSamples) },
      detector: await search.restore(best, describe(best).options),
    };
    return Object.defineProperty(tuning, 'toString', { value: () => formatTuning(tuning) });
  } finally {
    search.end();
  }
}

/** The native search and the passes that feed it. */
class RunningSearch {
  readonly #parts: DetectorParts;
  readonly #number: number;
  /** Also aborts when the detector is closed. */
  readonly #stop: AbortSignal;
  readonly #onProgress: TuneOptions['onProgress'];
  readonly #began = performance.now();
  #sets = 0;

  constructor(parts: DetectorParts, config: NativeSearchConfig, { signal, onProgress }: TuneOptions) {
    this.#parts = parts;
    this.#number = parts.native.beginSearch(parts.config, config);
    this.#stop = parts.calls.stopSignal(signal);
    this.#onProgress = onProgress;
  }

  /** Refuses a model that restore() could not load anew, before all the work. */
  async checkModel(): Promise<void> {
    const { native, source } = this.#parts;
    const { modelSha256 } = native.status();
    if ((await abortable(hashModel(source), this.#stop)) === modelSha256) return;
    throw new NacueError(
      'ERR_NACUE_STATE_MISMATCH',
      'the model has changed since the detector was created from it, and tune() loads it anew for the detector it returns',
    );
  }

  /** Passes the next set through the model; returns its number of samples, of which there must be some. */
  async collect(name: string, batches: Batches, least: number): Promise<number> {
    const { calls, native, config } = this.#parts;
    const set = this.#sets++;
    let samples = 0;
    const work = (batch: CheckedBatch) =>
      calls.queueBatch<void>(
        batch,
        ({ data, shape }, settle) => native.collect(this.#number, set, data, shape, settle),
        this.#stop,
      );
    await calls.pass(calls.iterate(batches), config.inputShape, work, this.#stop, (progress) => {
      samples = progress.samples;
      this.#report(name, samples, undefined);
    });
    if (samples >= least) return samples;
    const why = least === 1 ? ' (an iterator gives its batches only once)' : ', so that some can be held back';
    throw outOfRange(`the number of samples in '${name}'`, `at least ${least}${why}`, samples);
  }

  async run(): Promise<NativeSearchResult> {
    const { calls, native } = this.#parts;
    for (let isDone = false; !isDone; ) {
      const progress = await calls.queue<NativeSearchProgress>(
        (settle) => native.stepSearch(this.#number, settle),
        this.#stop,
      );
      this.#report(progress.phase, progress.done, progress.total);
      isDone = progress.isDone;
    }
    return native.searchResult(this.#number);
  }

  /** A detector of its own with a candidate's options. */
  async restore(candidate: NativeCandidate, { featureReduce }: TunedOptions): Promise<NACUE> {
    const { calls, native, config, source } = this.#parts;
    const state = await calls.queue<Uint8Array>(
      (settle) => native.candidateState(this.#number, candidate, version, settle),
      this.#stop,
    );
    return NACUE.restore(source, state, {
      device: native.status().device as Device,
      featureReduce,
      nonFinite: config.rejectNonFinite ? 'error' : 'reference',
      ...chunksOf(config),
      ...(config.numThreads > 0 && { numThreads: config.numThreads }),
      signal: this.#stop,
    });
  }

  end(): void {
    this.#parts.native.endSearch(this.#number, () => {});
  }

  #report(phase: string, done: number, total: number | undefined): void {
    this.#onProgress?.({ phase, done, total, elapsedMs: performance.now() - this.#began });
  }
}

function choose(
  { ranking, own }: NativeSearchResult,
  metric: TuneMetric,
): { best: NativeCandidate; overfitted: boolean } {
  const first = ranking[0] as NativeCandidate;
  const overfitted = metric === 'fpr95' ? first.heldBack > own.heldBack : first.heldBack < own.heldBack;
  return { best: overfitted ? own : first, overfitted };
}

function candidateOf(
  { choice, binning, value, heldBack }: NativeCandidate,
  search: NativeSearchConfig,
  config: NativeConfig,
): TunedCandidate {
  const layers = choice.flatMap((index, layer) => (index < 0 ? [] : [layerOf(index, layer, search, config)]));
  return {
    options: {
      layers: layers.map(({ name }) => name),
      mBins: layers.map(({ mBins }) => mBins),
      alpha: layers.map(({ alpha }) => alpha),
      oStar: layers.map(({ oStar }) => oStar),
      binning: search.binnings[binning] as Binning,
      featureReduce: layers.map(({ reduce, reduceModule }) => reduceModule ?? reduce),
      layerWeights: layers.map(({ weight }) => weight),
    },
    value,
    heldBack: Number.isNaN(heldBack) ? null : heldBack,
  };
}

/** The options of a layer with one of its candidates: O* runs fastest, then alpha, then M. */
function layerOf(index: number, layer: number, search: NativeSearchConfig, config: NativeConfig) {
  const { mBins, alpha, oStar } = search.layers[layer] as NativeSearchConfig['layers'][number];
  const histogram = Math.floor(index / oStar.length);
  return {
    ...(config.layers[layer] as NativeConfig['layers'][number]),
    mBins: mBins[Math.floor(histogram / alpha.length)] as number,
    alpha: alpha[histogram % alpha.length] as number,
    oStar: oStar[index % oStar.length] as number,
  };
}
