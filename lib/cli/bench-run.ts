/** The measurements of `nacue bench`, on noise. */
import os from 'node:os';
import type { ShapedBatch } from '../batch.js';
import { RandomNumbers } from '../data/random-numbers.js';
import type { NACUE } from '../nacue.js';
import { elementsIn } from '../shape.js';

export interface BenchRow {
  batchSize: number;
  /** Samples per second. */
  fit: number;
  score: number;
  /** The median time of one scored batch. */
  scoreMs: number;
}

const warmUps = 2;

export async function measure(
  detector: NACUE,
  shape: readonly number[],
  batchSize: number,
  seconds: number,
  signal: AbortSignal,
): Promise<BenchRow> {
  const batch = noise(batchSize, shape);
  const fit = await rateOf(batchSize, seconds, signal, async (runs) => {
    await detector.fit(new Array<ShapedBatch>(runs).fill(batch), { signal });
  });
  const times: number[] = [];
  const score = await rateOf(batchSize, seconds, signal, async (runs) => {
    for (let run = 0; run < runs; run += 1) {
      const began = performance.now();
      await detector.predict(batch, { signal });
      times.push(performance.now() - began);
    }
  });
  times.splice(0, warmUps);
  const [middle = Number.NaN] = times.sort((a, b) => a - b).slice(Math.floor(times.length / 2));
  return { batchSize, fit, score, scoreMs: middle };
}

export async function machineOf() {
  const { libtorchVersion } = await import('../libtorch-version.js');
  const cores = os.availableParallelism();
  return {
    cpu: `${os.cpus()[0]?.model.trim() ?? process.arch}, ${cores} cores`,
    libtorch: libtorchVersion(),
    node: process.version,
  };
}

/** Doubles the number of runs until they take long enough. */
async function rateOf(
  batchSize: number,
  seconds: number,
  signal: AbortSignal,
  work: (runs: number) => Promise<void>,
): Promise<number> {
  await work(warmUps);
  for (let runs = 1; ; runs *= 2) {
    signal.throwIfAborted();
    const began = performance.now();
    await work(runs);
    const elapsed = (performance.now() - began) / 1000;
    if (elapsed >= seconds / 2) return (runs * batchSize) / elapsed;
  }
}

function noise(count: number, shape: readonly number[]): ShapedBatch {
  const numbers = RandomNumbers.fromSeed(1);
  const length = count * elementsIn(shape);
  return { data: Float32Array.from({ length }, () => numbers.next() / 2 ** 31 - 1), shape: [count, ...shape] };
}
