/** Scores ID and OOD sets in one pass each and compares NAC-UE with the scores that need nothing but logits. */
import { types } from 'node:util';
import { energy, maxLogit, maxSoftmax } from './baselines.js';
import type { Batch, Batches } from './batch.js';
import { checkBatches, forEachBatch, isBatches, openBatches } from './batches.js';
import { errorCodes, invalidType, NacueError, outOfRange } from './errors.js';
import { formatEvaluation } from './evaluation-table.js';
import { checkRate, type MetricValues, metrics } from './metrics.js';
import type { NACUE } from './nacue.js';
import { checkFunction, checkKeys, checkSignal } from './option-checks.js';
import type { Score } from './results.js';

/** What is compared. Every set is read once, in this order; samples of the fit do not belong here. */
export interface EvaluationSets {
  /** Samples of the classes the model knows. */
  id: Batches;
  /** OOD sets that resemble the ID samples, by name. */
  near?: Readonly<Record<string, Batches>>;
  /** OOD sets that do not, by name; no name stands in both groups, and none is `'id'`. */
  far?: Readonly<Record<string, Batches>>;
}

/** How far an evaluation has come. */
export interface EvaluationProgress {
  /** `'id'` or the name of an OOD set. */
  set: string;
  /** Samples of this set that are scored. */
  samples: number;
  /** Since the evaluation began. */
  elapsedMs: number;
}

/** Options of {@link evaluate}. */
export interface EvaluateOptions {
  /** Aborts the evaluation: it rejects with `signal.reason`. */
  signal?: AbortSignal;
  /** Called after each batch. What it throws ends the evaluation. */
  onProgress?: (progress: EvaluationProgress) => void;
  /** Called with what `detector.score` gave for each batch, in order: to keep the scores or count right classes. */
  onScore?: (set: string, score: Score) => void;
  /** A further true positive rate, in [0, 1]: adds `fprAtTpr` to every entry. */
  tpr?: number;
}

/** The scores that are compared, all of them from the same pass. */
export type EvaluatedScore = 'nacue' | 'maxSoftmax' | 'energy' | 'maxLogit';

/** The metrics of one score, and FPR at the rate of the option `tpr`. */
export interface EvaluatedMetrics extends MetricValues {
  fprAtTpr?: number;
}

/** By score. */
export type ScoreComparison = Record<EvaluatedScore, EvaluatedMetrics>;

/** One OOD set against the ID samples. */
export interface SetEvaluation extends ScoreComparison {
  group: 'near' | 'far';
  samples: number;
}

/**
 * What {@link evaluate} returns: plain data, which `String(evaluation)` lays out as a table. JSON turns an AUTC of NaN into null.
 */
export interface Evaluation {
  id: { samples: number };
  /** By name, near before far. */
  sets: Record<string, SetEvaluation>;
  /** Per group that has sets, the unweighted mean over them, as in OpenOOD. */
  means: { near?: ScoreComparison; far?: ScoreComparison };
  /** The option, where it was given. */
  tpr?: number;
  toString(): string;
}

interface OODSet {
  name: string;
  group: 'near' | 'far';
  batches: Batches;
}

type SetScores = Record<EvaluatedScore, number[]>;

const groups = ['near', 'far'] as const;

/**
 * Tells how well a fitted detector, max-softmax, energy and max-logit separate OOD sets from ID samples.
 *
 * Each batch takes one `detector.score`; the next batch is asked for meanwhile.
 *
 * @throws TypeError `ERR_NACUE_INVALID_ARG_TYPE`; RangeError `ERR_NACUE_OUT_OF_RANGE` for sets without samples, no OOD set, a name
 * used twice; NacueError `ERR_NACUE_NON_FINITE`; whatever `detector.score` rejects with, the set and batch named; whatever an
 * iterator or a callback throws; `signal.reason`
 *
 * @example
 * const evaluation = await evaluate(detector, { id: testBatches, near: { cifar100 }, far: { svhn, textures } });
 * console.log(String(evaluation));
 * if (evaluation.means.far.nacue.auroc < 0.9) process.exitCode = 1;
 */
export async function evaluate(
  detector: Pick<NACUE, 'score'>,
  sets: EvaluationSets,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  if (typeof detector?.score !== 'function') throw invalidType('detector', 'a NACUE detector', detector);
  const oodSets = checkSets(sets);
  checkOptions(options);
  const began = performance.now();
  const score = (set: string, batches: Batches) => scoreSet(detector, set, batches, options, began);

  const id = await score('id', sets.id);
  const evaluated: [string, SetEvaluation][] = [];
  for (const { name, group, batches } of oodSets) {
    const ood = await score(name, batches);
    evaluated.push([name, { group, samples: ood.nacue.length, ...compare(id, ood, options.tpr) }]);
  }
  return withTable({
    id: { samples: id.nacue.length },
    sets: Object.fromEntries(evaluated),
    means: Object.fromEntries(
      groups.flatMap((group) => {
        const members = evaluated.map(([, set]) => set).filter((set) => set.group === group);
        return members.length === 0 ? [] : [[group, meanOf(members)]];
      }),
    ),
    ...(options.tpr !== undefined && { tpr: options.tpr }),
  });
}

/** The table hides from JSON, deepEqual and structuredClone: what they see is data. */
function withTable(evaluation: Evaluation): Evaluation {
  return Object.defineProperty(evaluation, 'toString', { value: () => formatEvaluation(evaluation) });
}

async function scoreSet(
  detector: Pick<NACUE, 'score'>,
  set: string,
  batches: Batches,
  { signal, onProgress, onScore }: EvaluateOptions,
  began: number,
): Promise<SetScores> {
  const collected: SetScores = { nacue: [], maxSoftmax: [], energy: [], maxLogit: [] };
  signal?.throwIfAborted();
  let number = 0;
  await forEachBatch(openBatches(`'${set}'`, batches), signal, async (batch) => {
    number++;
    const score = await scoreBatch(detector, batch, signal).catch((error) => {
      throw signal?.aborted ? error : inBatch(error, set, number);
    });
    signal?.throwIfAborted();
    collect(collected, score, set);
    onScore?.(set, score);
    onProgress?.({ set, samples: collected.nacue.length, elapsedMs: performance.now() - began });
  });
  if (collected.nacue.length > 0) return collected;
  throw outOfRange(`the number of samples in '${set}'`, 'at least 1 (an iterator gives its batches only once)', 0);
}

async function scoreBatch(
  detector: Pick<NACUE, 'score'>,
  batch: Batch,
  signal: AbortSignal | undefined,
): Promise<Score> {
  const score = await detector.score(batch, signal && { signal });
  if (types.isFloat32Array(score?.scores)) return score;
  throw invalidType('what detector.score returns', 'a Score', score);
}

function collect(collected: SetScores, { scores, logits }: Score, set: string): void {
  if (scores.length === 0) return; // its logits may lack the number of classes
  const before = collected.nacue.length;
  const found = { nacue: scores, maxSoftmax: maxSoftmax(logits), energy: energy(logits), maxLogit: maxLogit(logits) };
  for (const name of scoreNames(found)) {
    const undefinedAt = found[name].findIndex(Number.isNaN);
    if (undefinedAt >= 0) {
      const sample = `sample ${before + undefinedAt} of '${set}'`;
      throw new NacueError(
        'ERR_NACUE_NON_FINITE',
        `${sample} has no ${name} score: its logits hold NaN or infinity; leave the sample out`,
      );
    }
    for (const score of found[name]) collected[name].push(score);
  }
}

function compare(id: SetScores, ood: SetScores, tpr: number | undefined): ScoreComparison {
  return perScore((name) => ({
    ...metrics.all(id[name], ood[name]),
    ...(tpr !== undefined && { fprAtTpr: metrics.fprAtTpr(id[name], ood[name], tpr) }),
  }));
}

function meanOf(sets: SetEvaluation[]): ScoreComparison {
  return perScore((name) => {
    const first = (sets[0] as SetEvaluation)[name];
    const mean = (metric: keyof EvaluatedMetrics) =>
      sets.reduce((sum, set) => sum + (set[name][metric] as number), 0) / sets.length;
    const metricNames = Object.keys(first) as (keyof EvaluatedMetrics)[];
    return Object.fromEntries(metricNames.map((metric) => [metric, mean(metric)])) as unknown as EvaluatedMetrics;
  });
}

function perScore(metricsOf: (name: EvaluatedScore) => EvaluatedMetrics): ScoreComparison {
  return {
    nacue: metricsOf('nacue'),
    maxSoftmax: metricsOf('maxSoftmax'),
    energy: metricsOf('energy'),
    maxLogit: metricsOf('maxLogit'),
  };
}

function scoreNames(byScore: Record<EvaluatedScore, unknown>): EvaluatedScore[] {
  return Object.keys(byScore) as EvaluatedScore[];
}

function checkSets(sets: EvaluationSets): OODSet[] {
  checkKeys('sets', sets, ['id', ...groups]);
  checkBatches('id', sets.id);
  const oodSets = groups.flatMap((group) => checkGroup(group, sets[group]));
  if (oodSets.length === 0) throw outOfRange('near and far', 'objects with at least one OOD set', {});
  const names = ['id', ...oodSets.map(({ name }) => name)];
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined)
    throw outOfRange('near and far', "objects whose names are all different and not 'id'", twice);
  return oodSets;
}

function checkGroup(group: 'near' | 'far', value: EvaluationSets['near']): OODSet[] {
  if (value === undefined) return [];
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || isBatches(value)) {
    throw invalidType(group, 'an object of batches by the name of the set', value);
  }
  return Object.entries(value).map(([name, batches]) => {
    checkBatches(`${group}['${name}']`, batches);
    return { name, group, batches };
  });
}

function checkOptions(options: EvaluateOptions): void {
  checkKeys('options', options, ['signal', 'onProgress', 'onScore', 'tpr']);
  checkSignal(options.signal);
  checkFunction('onProgress', options.onProgress);
  checkFunction('onScore', options.onScore);
  if (options.tpr !== undefined) checkRate('tpr', options.tpr);
}

/** The same error, of the same class and code, that also says where. */
function inBatch(error: unknown, set: string, number: number): unknown {
  const code = (error as { code?: unknown } | null)?.code;
  if (!(error instanceof Error) || typeof code !== 'string' || !(code in errorCodes)) return error;
  const message = `'${set}', batch ${number}: ${error.message}`;
  if (error instanceof NacueError) return new NacueError(error.code, message, { detail: error.detail, cause: error });
  const SameClass = error instanceof RangeError ? RangeError : TypeError;
  return Object.assign(new SameClass(message, { cause: error }), { code });
}
