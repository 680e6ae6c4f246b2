/** Samples for searches, and what a detector that is made anew says of what a search has found. */
import assert from 'node:assert/strict';
import {
  metrics,
  NACUE,
  type NACUEOptions,
  type ShapedBatch,
  type TunedCandidate,
  type TuneMetric,
  type Tuning,
} from 'nacue';
import { fixture, randomNumbers } from './fixtures.js';
import { randomRows, rowsOf } from './states.js';

/** The shape of a sample of affine.pt. */
export const affineSample = [2, 3, 3];

/** `count` samples scaled by `scale`, in batches of at most `size`. */
export function batches(count: number, scale: number, seed: number, size = 7, sample = affineSample): ShapedBatch[] {
  const all = randomRows(count, sample, seed);
  const scaled = { ...all, data: all.data.map((value) => value * scale) };
  return Array.from({ length: Math.ceil(count / size) }, (_, i) =>
    rowsOf(scaled, i * size, Math.min((i + 1) * size, count)),
  );
}

export interface SampleSets {
  fit: ShapedBatch[];
  id: ShapedBatch[];
  ood: Record<string, ShapedBatch[]>;
}

/** Sets that the models of the fixtures tell apart, but not fully. */
export const sampleSets = (sample = affineSample) => ({
  fit: batches(60, 2, 1, 7, sample),
  id: batches(31, 2, 2, 7, sample),
  ood: { loud: batches(22, 3, 3, 7, sample), faint: batches(17, 1.2, 4, 7, sample) },
});

/** The same samples again and again: coverages that tie by the dozen. */
export function tiedSets(seed: number): SampleSets {
  const random = randomNumbers(seed);
  const pool = batches(8, 2, seed, 1);
  const draw = (count: number, from: number, to: number) =>
    Array.from({ length: count }, () => pool[from + Math.floor(random() * (to - from))] as ShapedBatch);
  return { fit: draw(25, 0, 5), id: draw(12, 0, 6), ood: { some: draw(9, 3, 8), few: draw(4, 5, 8) } };
}

/** Whether sample `i` of a set is held back: where the share passes a whole number. */
export const isHeldBack = (i: number, share: number): boolean =>
  Math.floor((i + 1) * share + 1e-9) > Math.floor(i * share + 1e-9);

const metricOf: Record<TuneMetric, (id: number[], ood: number[]) => number> = {
  auroc: metrics.auroc,
  auprIn: metrics.auprIn,
  auprOut: metrics.auprOut,
  fpr95: (id, ood) => metrics.fprAtTpr(id, ood),
};

async function scoresOf(detector: NACUE, set: ShapedBatch[]): Promise<number[]> {
  const scores: number[] = [];
  for (const batch of set) scores.push(...(await detector.predict(batch)));
  return scores;
}

/** Asserts that a detector with these options, made and fitted anew, gives a candidate's values. */
export async function confirm(
  { options, value, heldBack }: TunedCandidate,
  model: string,
  base: NACUEOptions,
  sets: SampleSets,
  { metric, share }: { metric: TuneMetric; share: number },
): Promise<void> {
  await using detector = await NACUE.create(fixture(model), { ...base, ...options });
  await detector.fit(sets.fit);
  const id = await scoresOf(detector, sets.id);
  const oods = await Promise.all(Object.values(sets.ood).map((set) => scoresOf(detector, set)));
  const on = (isPart: (i: number) => boolean) => {
    const part = (scores: number[]) => scores.filter((_, i) => isPart(i));
    return oods.reduce((sum, ood) => sum + metricOf[metric](part(id), part(ood)), 0) / oods.length;
  };
  const near = (actual: number | null, expected: number, what: string) =>
    assert.ok(
      Math.abs((actual ?? Number.NaN) - expected) < 1e-6,
      `${what}: ${actual}, not ${expected}, of ${JSON.stringify(options)}`,
    );
  near(
    value,
    on((i) => !isHeldBack(i, share)),
    'value',
  );
  if (share === 0) assert.equal(heldBack, null);
  else
    near(
      heldBack,
      on((i) => isHeldBack(i, share)),
      'heldBack',
    );
}

/** The state of a detector with these options, made and fitted anew. */
export async function freshState(
  options: TunedCandidate['options'],
  model: string,
  base: NACUEOptions,
  fit: ShapedBatch[],
): Promise<Uint8Array> {
  await using detector = await NACUE.create(fixture(model), { ...base, ...options });
  await detector.fit(fit);
  return detector.toBuffer();
}

/** What a search has found, without the detector. */
export const foundBy = ({ detector: _, ...found }: Tuning) => found;

/** Every choice of one item from each list. */
export const product = (lists: readonly (readonly unknown[])[]): unknown[][] =>
  lists.reduce<unknown[][]>((rows, list) => rows.flatMap((row) => list.map((item) => [...row, item])), [[]]);
