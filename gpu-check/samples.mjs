/** Models of test/fixtures, batches for them, and how near two results are. */
import path from 'node:path';
import { root } from '../scripts/steps/project.mjs';

export function fixture(name) {
  return path.join(root, 'test', 'fixtures', name);
}

/** A batch of noise in [-1, 1), the same for the same seed. */
export function noise(count, sampleShape, seed = 1) {
  const shape = [count, ...sampleShape];
  let state = seed;
  const data = Float32Array.from({ length: shape.reduce((product, size) => product * size) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
  return { data, shape };
}

/** The largest difference. */
export function distance(a, b) {
  if (a.length !== b.length) throw new Error(`${a.length} values beside ${b.length}`);
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);
}

/** The largest difference over the largest value. */
export function relativeDistance(a, b) {
  return distance(a, b) / a.reduce((most, value) => Math.max(most, Math.abs(value)), Number.MIN_VALUE);
}

/** The mean absolute difference. */
export function meanDistance(a, b) {
  if (a.length !== b.length) throw new Error(`${a.length} values beside ${b.length}`);
  return a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / a.length;
}

/** The share of (sample, neuron) pairs that are in another bin. @param {number} forgiven so many of them do not count */
export function movedShare(counts, others, forgiven = 0) {
  const total = counts.reduce((sum, count) => sum + count, 0n);
  const moved = counts.reduce((sum, count, i) => sum + (count > others[i] ? count - others[i] : 0n), 0n);
  return Math.max(0, Number(moved) - forgiven) / Number(total);
}

/** The steepness that spreads contributions over the bins: 2 over their root mean square. */
export function steepness(data) {
  const meanSquare = data.reduce((sum, value) => sum + value * value, 0) / data.length;
  return meanSquare > 0 ? Number((2 / Math.sqrt(meanSquare)).toPrecision(3)) : 100;
}
