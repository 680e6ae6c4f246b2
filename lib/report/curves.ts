/** ROC and precision-recall curves, with no more points than a plot shows. */
import { metrics, type Scores } from '../metrics.js';
import type { RecordedCurve } from './evaluation-record.js';

const mostPoints = 200;
const tabledRates = [0.5, 0.8, 0.9, 0.95, 0.99];

/** OOD is the positive class. */
export function curvesOf(
  idScores: Scores,
  oodScores: Scores,
): Pick<RecordedCurve, 'roc' | 'precisionRecall' | 'points'> {
  const { fpr, tpr } = metrics.rocCurve(idScores, oodScores);
  const precision = tpr.map((rate, i) => precisionAt(rate * oodScores.length, (fpr[i] as number) * idScores.length));
  const onRoc = thinOut(fpr, tpr);
  const onPr = thinOut(tpr, precision);
  return {
    roc: { fpr: pick(fpr, onRoc), tpr: pick(tpr, onRoc) },
    precisionRecall: { recall: pick(tpr, onPr), precision: pick(precision, onPr) },
    points: tabledRates.map((rate) => {
      const reached = tpr.findIndex((value) => value >= rate);
      return { tpr: rate, fpr: fpr[reached] as number, precision: precision[reached] as number };
    }),
  };
}

/** Nothing found: 1, where metrics.auprOut starts, too. */
function precisionAt(found: number, falseAlarms: number): number {
  return found + falseAlarms === 0 ? 1 : found / (found + falseAlarms);
}

/** The indices of points at about equal distances along a curve, both ends among them. */
function thinOut(x: Float64Array, y: Float64Array): number[] {
  if (x.length <= mostPoints) return Array.from(x.keys());
  const along = new Float64Array(x.length);
  for (let i = 1; i < x.length; i++) {
    const step = Math.hypot((x[i] as number) - (x[i - 1] as number), (y[i] as number) - (y[i - 1] as number));
    along[i] = (along[i - 1] as number) + step;
  }
  const gap = (along[along.length - 1] as number) / (mostPoints - 1);
  const kept = [0];
  for (let i = 1; i < x.length - 1; i++) {
    if ((along[i] as number) >= kept.length * gap) kept.push(i);
    if (kept.length === mostPoints - 1) break;
  }
  return [...kept, x.length - 1];
}

function pick(values: Float64Array, indices: readonly number[]): number[] {
  return indices.map((i) => values[i] as number);
}
