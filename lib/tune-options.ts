/** What {@link tune} is called with: checks it and fills in the defaults. */
import os from 'node:os';
import type { NativeConfig, NativeSearchConfig } from './addon/binding.js';
import type { Batches } from './batch.js';
import { checkBatches, isBatches } from './batches.js';
import { invalidType, outOfRange } from './errors.js';
import { NACUE } from './nacue.js';
import { checkFunction, checkKeys, checkPath, checkSignal, choice, wholeNumber } from './option-checks.js';
import { parseGrid, type TuneGrid } from './tune-grid.js';

/** What {@link tune} compares the candidates by; the names and definitions of `metrics.all`. */
export type TuneMetric = 'auroc' | 'auprIn' | 'auprOut' | 'fpr95';

/** How far a search has come. */
export interface TuneProgress {
  /** `'fit'`, `'id'` and the names of the OOD sets while the model runs; then `'candidates'` and `'combinations'` of each bin rule. */
  phase: string;
  /** Samples that have passed, histograms of layers that are counted, or combinations that are scored. */
  done: number;
  /** Not known while the model runs; grows when good combinations are improved. */
  total: number | undefined;
  elapsedMs: number;
}

/** Options of {@link tune}. */
export interface TuneOptions {
  /**
   * With every layer that may be used. Its preset, aggregation, layer weights and reduces hold for all candidates; it needs no fit and is
   * not changed.
   */
  detector: NACUE;
  /** Samples to fit on. */
  fit: Batches;
  /** In-distribution samples that are not in the fit. */
  id: Batches;
  /**
   * OOD samples for the choice, one set or several by name; never those of the final evaluation. Several count equally. A name is none of
   * the other phases of {@link TuneProgress}.
   */
  ood: Batches | Readonly<Record<string, Batches>>;
  /** What to try. Default: {@link TuneGrid}'s defaults. */
  grid?: TuneGrid;
  /** Default `'auroc'`. */
  metric?: TuneMetric;
  /** The share of `id` and of each OOD set that the search does not see: every second sample with 0.5, the default. In [0, 0.9]. */
  heldBack?: number;
  /**
   * How many combinations are scored at most, from 1 to 1,000,000, an equal share for each bin rule. Where there are more, half of them
   * combine the best candidates of each layer, and the rest improve the best of these layer by layer. Default 20,000.
   */
  maxCandidates?: number;
  /** How many combinations the ranking names, from 1 to 1,000,000. Default 100. */
  rankingLength?: number;
  /**
   * Bytes of contributions that are kept in memory; beyond, they go to an unnamed file in `folder`. The coverages of the candidates, 4
   * bytes per candidate of a layer and sample, come on top. Default 1 GiB.
   */
  memoryLimit?: number;
  /** Default: the system's folder for temporary files. */
  folder?: string;
  /** Called after each batch and each step of the search. What it throws ends it. */
  onProgress?: (progress: TuneProgress) => void;
  /** Ends the search between two steps: it rejects with `signal.reason`. */
  signal?: AbortSignal;
}

/** The samples of a search, checked as far as that can be done without reading them. */
export interface TuneSets {
  fit: Batches;
  id: Batches;
  ood: Map<string, Batches>;
}

/** The keys of {@link TuneOptions}. */
export const optionNames = [
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
] as const satisfies (keyof TuneOptions)[];
const otherPhases = ['fit', 'id', 'candidates', 'combinations'];
const mostCandidates = 1_000_000;

/** Everything but the grid and the numbers. @throws TypeError `ERR_NACUE_INVALID_ARG_TYPE`, RangeError `ERR_NACUE_OUT_OF_RANGE` */
export function parseSets(options: TuneOptions): TuneSets {
  checkKeys('options', options, optionNames);
  const { detector, fit, id, ood, signal, onProgress } = options;
  if (!(detector instanceof NACUE)) throw invalidType('detector', 'a NACUE detector', detector);
  checkSignal(signal);
  checkFunction('onProgress', onProgress);
  checkBatches('fit', fit);
  checkBatches('id', id);
  return { fit, id, ood: parseOod(ood) };
}

/** The grid and the numbers. @throws as {@link parseSets} */
export function parseSearch(options: TuneOptions, config: NativeConfig, oodSets: number): NativeSearchConfig {
  const metrics = ['auroc', 'auprIn', 'auprOut', 'fpr95'] as const;
  const {
    grid = {},
    maxCandidates = 20_000,
    rankingLength = 100,
    memoryLimit = 2 ** 30,
    folder = os.tmpdir(),
  } = options;
  return {
    ...parseGrid(grid, config),
    metric: choice('metric', options.metric, metrics, 'auroc'),
    heldBack: parseHeldBack(options.heldBack),
    maxCandidates: wholeNumber('maxCandidates', maxCandidates, 1, mostCandidates),
    rankingLength: wholeNumber('rankingLength', rankingLength, 1, mostCandidates),
    memoryLimit: wholeNumber('memoryLimit', memoryLimit, 0),
    folder: checkPath('folder', folder),
    oodSets,
  };
}

/** How many samples a set must have so that some can be held back. */
export function leastSamples(heldBack: number): number {
  return heldBack > 0 ? Math.ceil(1 / heldBack - 1e-9) : 1;
}

function parseHeldBack(value: unknown = 0.5): number {
  const expected = 'a number in [0, 0.9]';
  if (typeof value !== 'number') throw invalidType('heldBack', expected, value);
  if (!(value >= 0 && value <= 0.9)) throw outOfRange('heldBack', expected, value);
  return value;
}

function parseOod(ood: unknown): Map<string, Batches> {
  if (isBatches(ood)) return new Map([['ood', ood]]);
  const expected = 'batches, or an object of batches by name';
  if (typeof ood !== 'object' || ood === null || ArrayBuffer.isView(ood)) throw invalidType('ood', expected, ood);
  const sets = Object.entries(ood);
  if (sets.length === 0) throw outOfRange('ood', 'an object with at least one set', ood);
  for (const [name, batches] of sets) {
    if (otherPhases.includes(name)) throw outOfRange('ood', `names other than ${otherPhases.join(', ')}`, name);
    checkBatches(`ood['${name}']`, batches);
  }
  return new Map(sets);
}
