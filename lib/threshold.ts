/** The decision: above which score a sample is an outlier. */

import { invalidType, NacueError, outOfRange } from './errors.js';

/** A threshold and the share of in-distribution samples it lets pass. */
export interface Threshold {
  value: number;
  tpr: number;
}

/** The option `tpr`: in (0, 1], default 0.95. */
export function checkTpr(value: unknown = 0.95): number {
  const expected = 'a number > 0 and <= 1';
  if (typeof value !== 'number') throw invalidType('tpr', expected, value);
  if (!(value > 0 && value <= 1)) throw outOfRange('tpr', expected, value);
  return value;
}

/**
 * The smallest score t so that at least the share `tpr` of all scores is <= t: the exact quantile, with no interpolation. A sample is
 * an outlier when its score is > t, so that samples that tie with t pass.
 *
 * @throws NacueError `ERR_NACUE_EMPTY_FIT` without scores
 */
export function thresholdAt(scores: readonly Float32Array[], tpr: number): number {
  const sorted = Float32Array.from(scores.flatMap((part) => Array.from(part))).sort();
  if (sorted.length === 0)
    throw new NacueError('ERR_NACUE_EMPTY_FIT', 'calibrate got no samples: the batches were empty');
  return quantileOf(sorted, tpr);
}

/** The smallest of the sorted scores so that at least `share` of them is not above it. */
export function quantileOf(sorted: Float32Array | Float64Array, share: number): number {
  // 0.07 * 100 is 7.000000000000001; a whole number of samples is meant.
  const passing = Math.ceil(share * sorted.length - 1e-9);
  return sorted[Math.max(passing, 1) - 1] as number;
}

/** (B,): 1 where a score is above the threshold. */
export function outliers(scores: Float32Array, threshold: number): Uint8Array {
  const above = new Uint8Array(scores.length);
  for (let i = 0; i < scores.length; i += 1) above[i] = Number((scores[i] as number) > threshold);
  return above;
}
