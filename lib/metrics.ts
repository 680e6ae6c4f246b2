/**
 * How well scores tell out-of-distribution (OOD) from in-distribution (ID) samples; the numbers of pytorch_ood.metrics.OODMetrics
 * 0.4.0, ties included.
 *
 * Every metric is one sort of both classes and one walk from the highest score down, on which equal scores enter together.
 */
import { types } from 'node:util';
import { invalidType, outOfRange } from './errors.js';
import { choice } from './option-checks.js';

/** One score per sample; larger = more out-of-distribution. */
export type Scores = Float32Array | Float64Array | readonly number[];

/** What {@link metrics.all} returns: fractions in [0, 1]. */
export interface MetricValues {
  /** Higher is better; 0.5 is a guess. */
  auroc: number;
  /** ID is the positive class. Higher is better; a guess gives about the share of ID samples. */
  auprIn: number;
  /** OOD is the positive class. Higher is better; a guess gives about the share of OOD samples. */
  auprOut: number;
  /** FPR@95TPR. Lower is better. */
  fpr95: number;
  /** Lower is better. NaN for constant or infinite scores. */
  autc: number;
}

/** What {@link metrics.rocCurve} returns: three columns of the same length. */
export interface RocCurve {
  /** Share of ID samples with a score >= the threshold: 0 first, 1 last. */
  fpr: Float64Array;
  /** Share of OOD samples with a score >= the threshold: 0 first, 1 last. */
  tpr: Float64Array;
  /** Falling. The first is Infinity and stands above every score; the others are the distinct scores. */
  thresholds: Float64Array;
}

/** Both classes, ascending. */
interface SortedScores {
  id: Float64Array;
  ood: Float64Array;
}

/** Samples of each class at or beyond each threshold. Entry 0: none yet; last entry: all. */
interface CumulativeCounts {
  positives: Float64Array;
  negatives: Float64Array;
}

/**
 * Area under the ROC curve: the chance that an OOD sample scores higher than an ID sample, ties counting half.
 *
 * Equals pytorch_ood.metrics.AUROC and sklearn.metrics.roc_auc_score.
 *
 * @throws TypeError `ERR_NACUE_INVALID_ARG_TYPE`; RangeError `ERR_NACUE_OUT_OF_RANGE` for NaN and for a class without samples
 */
export function auroc(idScores: Scores, oodScores: Scores): number {
  return areaUnderRoc(countFromAbove(sortScores(idScores, oodScores)));
}

/**
 * Area under the precision-recall curve with ID as the positive class and low scores as its sign, by the trapezoidal rule.
 *
 * Equals pytorch_ood.metrics.AUPR("id"), not an average precision.
 *
 * @throws like {@link auroc}
 */
export function auprIn(idScores: Scores, oodScores: Scores): number {
  return areaUnderPr(countFromBelow(countFromAbove(sortScores(idScores, oodScores))));
}

/**
 * Area under the precision-recall curve with OOD as the positive class, by the trapezoidal rule.
 *
 * Equals pytorch_ood.metrics.AUPR("ood"), not an average precision.
 *
 * @throws like {@link auroc}
 */
export function auprOut(idScores: Scores, oodScores: Scores): number {
  return areaUnderPr(countFromAbove(sortScores(idScores, oodScores)));
}

/**
 * False positive rate at the first threshold that reaches a true positive rate.
 *
 * With `'ood'` as the positive class, the default and the literature's: the share of ID samples flagged once `tpr` of the OOD
 * samples are caught; equals pytorch_ood.metrics.FPRAtTPR. With `'id'`: the share of OOD samples that pass as ID at the threshold
 * that accepts `tpr` of the ID samples, which is what a threshold chosen on ID data gives.
 *
 * @param tpr a fraction in [0, 1]
 * @throws like {@link auroc}
 */
export function fprAtTpr(idScores: Scores, oodScores: Scores, tpr = 0.95, positive: 'ood' | 'id' = 'ood'): number {
  checkRate('tpr', tpr);
  choice('positive', positive, ['ood', 'id'] as const, 'ood');
  const counts = countFromAbove(sortScores(idScores, oodScores));
  return falsePositiveRate(positive === 'ood' ? counts : countFromBelow(counts), tpr);
}

/**
 * Area under the threshold curve (arXiv 2306.14658): the mean of false positive and false negative rate over all thresholds, after
 * the scores are scaled to [0, 1]. NaN for constant or infinite scores, which have no such scale.
 *
 * Equals pytorch_ood.metrics.AUTC.
 *
 * @throws like {@link auroc}
 */
export function autc(idScores: Scores, oodScores: Scores): number {
  return areaUnderThresholds(sortScores(idScores, oodScores));
}

/**
 * The ROC curve from (0, 0) to (1, 1): one point per distinct score, none left out on straight stretches.
 *
 * Equals sklearn.metrics.roc_curve with drop_intermediate=False; pytorch_ood's has no threshold for the first point.
 *
 * @throws like {@link auroc}
 */
export function rocCurve(idScores: Scores, oodScores: Scores): RocCurve {
  const { thresholds, positives, negatives } = countFromAbove(sortScores(idScores, oodScores));
  return { fpr: shares(negatives), tpr: shares(positives), thresholds };
}

/**
 * The five metrics of pytorch_ood.metrics.OODMetrics from one sort.
 *
 * @throws like {@link auroc}
 */
export function all(idScores: Scores, oodScores: Scores): MetricValues {
  const sorted = sortScores(idScores, oodScores);
  const counts = countFromAbove(sorted);
  return {
    auroc: areaUnderRoc(counts),
    auprIn: areaUnderPr(countFromBelow(counts)),
    auprOut: areaUnderPr(counts),
    fpr95: falsePositiveRate(counts, 0.95),
    autc: areaUnderThresholds(sorted),
  };
}

/**
 * Metrics of OOD detection from the scores of ID and of OOD samples. OOD is the positive class; larger scores mean more OOD.
 *
 * @example
 * const { auroc, fpr95 } = metrics.all(await detector.predict(idBatch), await detector.predict(oodBatch));
 */
export const metrics = { auroc, auprIn, auprOut, fprAtTpr, autc, rocCurve, all } as const;

/** Refuses what is no fraction. */
export function checkRate(name: string, value: unknown): asserts value is number {
  if (typeof value !== 'number') throw invalidType(name, 'a fraction in [0, 1]', value);
  if (!(value >= 0 && value <= 1)) throw outOfRange(name, 'a fraction in [0, 1]', value);
}

function sortScores(idScores: Scores, oodScores: Scores): SortedScores {
  return { id: sortClass('idScores', idScores), ood: sortClass('oodScores', oodScores) };
}

function sortClass(name: string, scores: Scores): Float64Array {
  if (Array.isArray(scores)) checkNumbers(name, scores);
  else if (!types.isFloat32Array(scores) && !types.isFloat64Array(scores)) {
    throw invalidType(name, 'a Float32Array, a Float64Array or an array of numbers', scores);
  }
  if (scores.length === 0) throw outOfRange(`${name}.length`, 'at least 1: every metric compares two classes', 0);
  const sorted = new Float64Array(scores).sort();
  if (Number.isNaN(sorted.at(-1))) {
    throw outOfRange(`${name}[${scores.findIndex(Number.isNaN)}]`, 'a number other than NaN', Number.NaN);
  }
  return sorted;
}

function checkNumbers(name: string, scores: readonly unknown[]): void {
  const index = scores.findIndex((score) => typeof score !== 'number');
  if (index >= 0) throw invalidType(`${name}[${index}]`, 'a number', scores[index]);
}

/** With OOD as the positive class: samples with a score >= each distinct score, which is 0 == -0. */
function countFromAbove({ id, ood }: SortedScores): CumulativeCounts & { thresholds: Float64Array } {
  const capacity = id.length + ood.length + 1;
  const thresholds = new Float64Array(capacity);
  const positives = new Float64Array(capacity);
  const negatives = new Float64Array(capacity);
  thresholds[0] = Number.POSITIVE_INFINITY;
  let points = 1;
  let idLeft = id.length;
  let oodLeft = ood.length;
  while (idLeft > 0 || oodLeft > 0) {
    const topId = idLeft > 0 ? (id[idLeft - 1] as number) : Number.NEGATIVE_INFINITY;
    const topOod = oodLeft > 0 ? (ood[oodLeft - 1] as number) : Number.NEGATIVE_INFINITY;
    const threshold = Math.max(topId, topOod);
    while (idLeft > 0 && id[idLeft - 1] === threshold) idLeft--;
    while (oodLeft > 0 && ood[oodLeft - 1] === threshold) oodLeft--;
    thresholds[points] = threshold;
    positives[points] = ood.length - oodLeft;
    negatives[points] = id.length - idLeft;
    points++;
  }
  return {
    thresholds: thresholds.slice(0, points),
    positives: positives.slice(0, points),
    negatives: negatives.slice(0, points),
  };
}

/** With ID as the positive class: samples with a score <= each distinct score, from the lowest up. */
function countFromBelow({ positives, negatives }: CumulativeCounts): CumulativeCounts {
  const rest = (counts: Float64Array) => {
    const total = last(counts);
    return counts.map((count) => total - count).reverse();
  };
  return { positives: rest(negatives), negatives: rest(positives) };
}

function areaUnderRoc({ positives, negatives }: CumulativeCounts): number {
  let area = 0;
  for (let i = 1; i < positives.length; i++) {
    const width = (negatives[i] as number) - (negatives[i - 1] as number);
    area += (width * ((positives[i] as number) + (positives[i - 1] as number))) / 2;
  }
  return area / (last(positives) * last(negatives));
}

/** Starts at recall 0 with precision 1, as the reference and sklearn.metrics.precision_recall_curve do. */
function areaUnderPr({ positives, negatives }: CumulativeCounts): number {
  let area = 0;
  let precisionBefore = 1;
  for (let i = 1; i < positives.length; i++) {
    const found = positives[i] as number;
    const precision = found / (found + (negatives[i] as number));
    area += ((found - (positives[i - 1] as number)) * (precision + precisionBefore)) / 2;
    precisionBefore = precision;
  }
  return area / last(positives);
}

function falsePositiveRate({ positives, negatives }: CumulativeCounts, tpr: number): number {
  const total = last(positives);
  const reached = positives.findIndex((count) => count / total >= tpr);
  return (negatives[reached] as number) / last(negatives);
}

function areaUnderThresholds({ id, ood }: SortedScores): number {
  const low = Math.min(id[0] as number, ood[0] as number);
  const range = Math.max(last(id), last(ood)) - low;
  if (!Number.isFinite(range) || range === 0) return Number.NaN;
  const mean = (scores: Float64Array) => scores.reduce((sum, score) => sum + (score - low) / range, 0) / scores.length;
  return (mean(id) + 1 - mean(ood)) / 2;
}

function shares(counts: Float64Array): Float64Array {
  const total = last(counts);
  return counts.map((count) => count / total);
}

function last(values: Float64Array): number {
  return values[values.length - 1] as number;
}
