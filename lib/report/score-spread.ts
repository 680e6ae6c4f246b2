/** How the scores of the sets are spread: quantiles and histograms on common bins. */
import { quantileOf } from '../threshold.js';
import type { EvaluationRecord, ScoreSummary } from './evaluation-record.js';

const bins = 60;

export function summarizeScores(set: string, scores: readonly number[], threshold: number): ScoreSummary {
  const sorted = Float64Array.from(scores).sort();
  const at = (share: number) => quantileOf(sorted, share);
  return {
    set,
    samples: sorted.length,
    quantiles: { min: at(0), q05: at(0.05), q25: at(0.25), median: at(0.5), q75: at(0.75), q95: at(0.95), max: at(1) },
    outliers: scores.filter((score) => score > threshold).length / sorted.length,
  };
}

export function histogramsOf(
  sets: readonly { set: string; scores: readonly number[] }[],
): EvaluationRecord['histogram'] {
  const { low, high } = rangeOf(sets.map(({ scores }) => scores));
  const width = (high - low) / bins;
  const edges = Array.from({ length: bins + 1 }, (_, i) => low + i * width);
  const counts = sets.map(({ set, scores }) => {
    const counted = new Array<number>(bins).fill(0);
    for (const score of scores) {
      const bin = Math.min(Math.floor((score - low) / width), bins - 1);
      counted[bin] = (counted[bin] as number) + 1;
    }
    return { set, counts: counted };
  });
  return { edges, counts };
}

/** Scores that are all the same get a range around them. */
function rangeOf(lists: readonly (readonly number[])[]): { low: number; high: number } {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const scores of lists) {
    for (const score of scores) {
      low = Math.min(low, score);
      high = Math.max(high, score);
    }
  }
  return low < high ? { low, high } : { low: low - 0.5, high: high + 0.5 };
}
