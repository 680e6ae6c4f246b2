/** The committed models and golden values, and small batches for them. */
import fs from 'node:fs';
import path from 'node:path';
import type { NACUEOptions, ShapedBatch } from 'nacue';

export const fixture = (name: string): string => path.join(__dirname, 'fixtures', name);

/** What make_models.py recorded of pytorch-ood on small.pt. */
export interface Golden {
  layers: string[];
  mBins: number;
  alpha: number;
  oStar: number;
  sample: number[];
  fit: number[];
  score: number[];
  counts: number[][];
  scores: number[];
  logits: number[];
}

export const golden = JSON.parse(fs.readFileSync(fixture('small_golden.json'), 'utf8')) as Golden;

export const sampleShape = [1, 8, 8];
const sampleSize = 64;

/** Rows `from` to `to` of the golden fit data. */
export function fitRows(from: number, to: number): ShapedBatch {
  return {
    data: Float32Array.from(golden.fit.slice(from * sampleSize, to * sampleSize)),
    shape: [to - from, ...sampleShape],
  };
}

export const fitBatches = (): ShapedBatch[] => [fitRows(0, 7), fitRows(7, 14), fitRows(14, 20)];

export const scoreBatch = (): ShapedBatch => ({
  data: Float32Array.from(golden.score),
  shape: [golden.score.length / sampleSize, ...sampleShape],
});

/** The options of the golden run. */
export const goldenOptions = (): NACUEOptions => {
  const { layers, mBins, alpha, oStar } = golden;
  return { layers, mBins, alpha, oStar, inputShape: sampleShape };
};

/** A seeded generator of numbers in [0, 1): tests must not differ from run to run (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** `count` samples of numbers in [-1, 1). */
export function randomBatch(count: number, sample: readonly number[], seed = 1): ShapedBatch {
  const random = randomNumbers(seed);
  const size = sample.reduce((product, side) => product * side, count);
  return { data: Float32Array.from({ length: size }, () => 2 * random() - 1), shape: [count, ...sample] };
}
