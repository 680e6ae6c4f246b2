/** Searches the hyperparameters of a detector on samples that it passes through the model once. */
import os from 'node:os';
import { abortable } from './abort.js';
import type { Batches } from './batch.js';
import type { NativeCandidate, NativeSearchConfig, NativeSearchProgress, NativeSearchResult } from './binding.js';
import { invalidType, outOfRange } from './errors.js';
import { type DetectorParts, NACUE, partsOf } from './nacue.js';
import { checkFunction, checkKeys, checkSignal, choice, wholeNumber } from './option-checks.js';
import type { Binning, NACUEOptions } from './options.js';
import { parseGrid, type TuneGrid } from './tune-grid.js';
import { formatTuning } from './tuning-table.js';
import { version } from './version.js';

/** What {@link tune} compares the candidates by; the names and definitions of `metrics.all`. */
export type TuneMetric = 'auroc' | 'auprIn' | 'auprOut' | 'fpr95';

/** How far a search has come. */
export interface TuneProgress {
  /** `'fit'`, `'id'` and the names of the OOD sets while the model runs; `'candidates'` and `'combinations'` while it searches. */
  phase: string;
  /** Samples that have passed, layer histograms or combinations. */
  done: number;
  /** Not known while the model runs. */
  total: number | undefined;
  elapsedMs: number;
}

/** Options of {@link tune}. */
export interface TuneOptions {
  /** With every layer that may be used. Its preset and reduces hold for all candidates; it needs no fit and is not changed. */
  detector: NACUE;
  /** Samples to fit on. */
  fit: Batches;
  /** In-distribution samples that are not in the fit. */
  id: Batches;
  /** OOD samples for the choice, one set or several by name; never those of the final evaluation. Several count equally. */
  ood: Batches | Readonly<Record<string, Batches>>;
  /** What to try. Default: {@link TuneGrid}'s defaults. */
  grid?: TuneGrid;
  /** Default `'auroc'`. */
  metric?: TuneMetric;
  /** The share of `id` and of each OOD set that the search does not see: every second sample with 0.5, the default. In [0, 0.9]. */
  heldBack?: number;
  /** How many combinations are scored at most; beyond, the best candidates of each layer are combined. Default 20,000. */
  maxCandidates?: number;
  /** How many combinations the ranking names. Default 100. */
  rankingLength?: number;
  /** Bytes of contributions that are kept in memory; beyond, they go to unnamed files in `folder`. Default 1 GiB. */
  memoryLimit?: number;
  /** Default: the system's folder for temporary files. */
  folder?: string;
  /** Called after each batch and each step of the search. What it throws ends it. */
  onProgress?: (progress: TuneProgress) => void;
  /** Ends the search between two steps: it rejects with `signal.reason`. */
  signal?: AbortSignal;
}

/** Options that a search has scored: to be spread into those of `NACUE.create`. */
export type TunedOptions = Required<Pick<NACUEOptions, 'layers' | 'mBins' | 'alpha' | 'oStar' | 'binning'>>;

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
  /** Best first, by `value`. */
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

const optionNames = [
  'detector',
  'fit',
  'id',
  'ood',
  'grid',
  'metric',
  'heldBack',
  'maxCandidates',
  'rankingLength',
  'memoryLimit',
  'folder',
  'onProgress',
  'signal',
];

/**
 * Finds good options for a detector: M, alpha and O* per layer, which layers to use and, if asked, the bin rule.
 *
 * Every batch passes through the model once; its contributions are kept, and all candidates are histograms and sums over them. A part
 * of the ID and OOD samples is held back, and what the search finds must not be worse there than the detector's own options. The
 * authors' code searches its grids likewise, on cached states.
 *
 * @throws TypeError `ERR_NACUE_INVALID_ARG_TYPE`, RangeError `ERR_NACUE_OUT_OF_RANGE`; what `detector.contributions` rejects with;
 * NacueError `ERR_NACUE_SPILL`; whatever an iterator or `onProgress` throws; `signal.reason`
 *
 * @example
 * const tuning = await tune({ detector, fit, id, ood: { textures }, grid: { alpha: [1, 10, 100, 1000], oStar: [5, 50] } });
 * console.log(String(tuning));
 * await tuning.detector.save('tuned.safetensors');
 */
export async function tune(options: TuneOptions): Promise<Tuning> {
  checkKeys('options', options, optionNames);
  const { detector, signal, onProgress } = options;
  if (!(detector instanceof NACUE)) throw invalidType('detector', 'a NACUE detector', detector);
  checkSignal(signal);
  checkFunction('onProgress', onProgress);
  const parts = partsOf(detector);
  const ood = parseOod(options.ood);
  const config = parseSearch(options, parts, ood.size);
  signal?.throwIfAborted();
  parts.calls.checkUsable();
  const search = new RunningSearch(parts, config, signal, onProgress);
  try {
    const samples = {
      fit: await search.collect('fit', 0, options.fit),
      id: await search.collect('id', 1, options.id),
      ood: {} as Record<string, number>,
    };
    let set = 2;
    for (const [name, batches] of ood) samples.ood[name] = await search.collect(name, set++, batches);
    checkSamples(samples, config.heldBack);
    const result = await search.run();
    const { best, overfitted } = choose(result, config.metric);
    const tuned = await search.restore(best);
    const describe = (candidate: NativeCandidate) => candidateOptions(candidate, config, parts);
    const tuning = {
      metric: config.metric,
      ranking: result.ranking.map(describe),
      best: describe(best),
      own: describe(result.own),
      overfitted,
      scored: result.scored,
      exhaustive: result.isExhaustive,
      spilled: result.isOnDisk,
      samples,
      detector: tuned,
    };
    Object.defineProperty(tuning, 'toString', { value: () => formatTuning(tuning) });
    return tuning;
  } finally {
    search.end();
  }
}

/** The native search and the passes that feed it. */
class RunningSearch {
  readonly #parts: DetectorParts;
  readonly #number: number;
  readonly #stop: AbortSignal;
  readonly #onProgress: TuneOptions['onProgress'];
  readonly #began = performance.now();

  constructor(
    parts: DetectorParts,
    config: NativeSearchConfig,
    signal: AbortSignal | undefined,
    onProgress: TuneOptions['onProgress'],
  ) {
    this.#parts = parts;
    this.#number = parts.native.beginSearch(parts.config, config);
    this.#stop = parts.calls.stopSignal(signal);
    this.#onProgress = onProgress;
  }

  /** Passes a set through the model; returns its number of samples. */
  async collect(phase: string, set: number, batches: Batches): Promise<number> {
    const { calls, native, config } = this.#parts;
    let samples = 0;
    const work = ({ data, shape }: { data: Float32Array; shape: number[] }) =>
      calls.queue<void>((settle) => native.collect(this.#number, set, data, shape, settle));
    await calls.pass(calls.iterate(batches), config.inputShape, work, this.#stop, (progress) => {
      samples = progress.samples;
      this.#report(phase, samples, undefined);
    });
    return samples;
  }

  async run(): Promise<NativeSearchResult> {
    const { calls, native } = this.#parts;
    for (;;) {
      this.#stop.throwIfAborted();
      const step = calls.queue<NativeSearchProgress>((settle) => native.stepSearch(this.#number, settle));
      const { phase, done, total, isDone } = await abortable(step, this.#stop);
      this.#report(phase, done, total);
      if (isDone) return native.searchResult(this.#number);
    }
  }

  /** A detector of its own with a candidate's options. */
  async restore(candidate: NativeCandidate): Promise<NACUE> {
    const { calls, native, config, source } = this.#parts;
    const state = await calls.queue<Uint8Array>((settle) =>
      native.candidateState(this.#number, candidate, version, settle),
    );
    const modules = Object.fromEntries(
      config.layers.map(({ name, reduce, reduceModule }) => [name, reduceModule ?? reduce]),
    );
    const used = config.layers.filter((_, i) => candidate.choice[i] !== -1).map(({ name }) => modules[name] as string);
    return NACUE.restore(source, state, {
      device: config.device as NonNullable<NACUEOptions['device']>,
      featureReduce: used,
      nonFinite: config.rejectNonFinite ? 'error' : 'reference',
      ...(config.numThreads > 0 && { numThreads: config.numThreads }),
    });
  }

  end(): void {
    if (!this.#parts.calls.closed) this.#parts.native.endSearch(this.#number);
  }

  #report(phase: string, done: number, total: number | undefined): void {
    this.#onProgress?.({ phase, done, total, elapsedMs: performance.now() - this.#began });
  }
}

function parseSearch(options: TuneOptions, { config }: DetectorParts, oodSets: number): NativeSearchConfig {
  const metrics = ['auroc', 'auprIn', 'auprOut', 'fpr95'] as const;
  const { folder = os.tmpdir() } = options;
  if (typeof folder !== 'string') throw invalidType('folder', 'a path', folder);
  return {
    ...parseGrid(options.grid ?? {}, config),
    metric: choice('metric', options.metric, metrics, 'auroc'),
    heldBack: parseHeldBack(options.heldBack),
    maxCandidates: wholeNumber('maxCandidates', options.maxCandidates ?? 20_000, 1, 10_000_000),
    rankingLength: wholeNumber('rankingLength', options.rankingLength ?? 100, 1, 1_000_000),
    memoryLimit: wholeNumber('memoryLimit', options.memoryLimit ?? 2 ** 30, 0),
    folder,
    oodSets,
  };
}

function parseHeldBack(value: unknown = 0.5): number {
  const expected = 'a number in [0, 0.9]';
  if (typeof value !== 'number') throw invalidType('heldBack', expected, value);
  if (!(value >= 0 && value <= 0.9)) throw outOfRange('heldBack', expected, value);
  return value;
}

function parseOod(ood: TuneOptions['ood']): Map<string, Batches> {
  const isSet = (value: unknown): value is Batches =>
    typeof value === 'object' && value !== null && (Symbol.iterator in value || Symbol.asyncIterator in value);
  if (isSet(ood)) return new Map([['ood', ood]]);
  const expected = 'batches, or an object of batches by name';
  if (typeof ood !== 'object' || ood === null) throw invalidType('ood', expected, ood);
  const sets = new Map(Object.entries(ood));
  if (sets.size === 0) throw outOfRange('ood', 'at least one set', ood);
  for (const [name, batches] of sets) {
    if (!isSet(batches)) throw invalidType(`ood.${name}`, 'an Iterable or AsyncIterable of batches', batches);
  }
  return sets;
}

function checkSamples({ fit, id, ood }: Tuning['samples'], heldBack: number): void {
  if (fit === 0) throw outOfRange('fit', 'batches with at least one sample', 0);
  const least = heldBack > 0 ? Math.ceil(1 / Math.min(heldBack, 1 - heldBack) - 1e-9) : 1;
  for (const [name, samples] of [['id', id], ...Object.entries(ood)] as [string, number][]) {
    const expected = `at least ${least} sample${least > 1 ? 's, so that some can be held back' : ''}`;
    if (samples < least) throw outOfRange(`the set '${name}'`, `a set of ${expected}`, samples);
  }
}

function choose(
  { ranking, own }: NativeSearchResult,
  metric: TuneMetric,
): { best: NativeCandidate; overfitted: boolean } {
  const sign = metric === 'fpr95' ? -1 : 1;
  const first = ranking[0] as NativeCandidate;
  const overfitted = sign * (first.heldBack - own.heldBack) < 0;
  const isBetter = sign * (first.value - own.value) > 0;
  return { best: isBetter && !overfitted ? first : own, overfitted };
}

function candidateOptions(
  candidate: NativeCandidate,
  config: NativeSearchConfig,
  { config: own }: DetectorParts,
): TunedCandidate {
  const used = candidate.choice.flatMap((index, layer) => {
    if (index < 0) return [];
    const { mBins, alpha, oStar } = config.layers[layer] as NativeSearchConfig['layers'][number];
    const histogram = Math.floor(index / oStar.length);
    return {
      name: (own.layers[layer] as (typeof own.layers)[number]).name,
      mBins: mBins[Math.floor(histogram / alpha.length)] as number,
      alpha: alpha[histogram % alpha.length] as number,
      oStar: oStar[index % oStar.length] as number,
    };
  });
  return {
    options: {
      layers: used.map(({ name }) => name),
      mBins: used.map(({ mBins }) => mBins),
      alpha: used.map(({ alpha }) => alpha),
      oStar: used.map(({ oStar }) => oStar),
      binning: config.binnings[candidate.binning] as Binning,
    },
    value: candidate.value,
    heldBack: Number.isNaN(candidate.heldBack) ? null : candidate.heldBack,
  };
}
