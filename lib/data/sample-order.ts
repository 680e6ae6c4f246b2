/** Which samples a pass gives, and in which order: all of them, or what `shuffle`, `balanced` and `limit` make of them, in this sequence. */
import { dataError } from './data-error.js';
import { RandomNumbers } from './random-numbers.js';
import type { SampleOptions } from './samples.js';

export interface SampleOrder {
  readonly length: number;
  /** Index and position are the same. */
  readonly isSequential: boolean;
  /** The index of the sample at a position of the order. */
  indexAt(position: number): number;
}

type OrderOptions = Pick<SampleOptions, 'balanced' | 'limit' | 'seed' | 'shuffle'>;

/**
 * @param count of all samples; Infinity where nobody knows it yet
 * @param labelOf the class folder of a sample, for `balanced`
 * @throws NacueError `ERR_NACUE_DATA` when `balanced` finds no classes, or there are too many samples to shuffle
 */
export function sampleOrder(
  count: number,
  options: OrderOptions,
  labelOf: (index: number) => string | undefined,
): SampleOrder {
  const { balanced, limit = Number.POSITIVE_INFINITY, shuffle = false } = options;
  if (!shuffle && balanced === undefined) {
    return { length: Math.min(count, limit), isSequential: true, indexAt: (position) => position };
  }
  const all = shuffle ? permutation(count, options.seed ?? 0) : upTo(count);
  const indices = balanced === undefined ? all : balance(all, balanced, labelOf);
  const chosen = indices instanceof Uint32Array ? indices.subarray(0, limit) : [...first(indices, limit)];
  return { length: chosen.length, isSequential: false, indexAt: (position) => chosen[position] as number };
}

/** Fisher and Yates' shuffle of 0 ... count - 1, from the last place to the first. */
function permutation(count: number, seed: number): Uint32Array {
  if (count > 2 ** 32 - 1) throw dataError(`${count} samples are too many to shuffle; the most are ${2 ** 32 - 1}`);
  const numbers = RandomNumbers.fromSeed(seed);
  const indices = Uint32Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last -= 1) {
    const other = numbers.below(last + 1);
    const index = indices[last] as number;
    indices[last] = indices[other] as number;
    indices[other] = index;
  }
  return indices;
}

/** The first `most` of each class. */
function* balance(
  indices: Iterable<number>,
  most: number,
  labelOf: (index: number) => string | undefined,
): Generator<number> {
  const seen = new Map<string, number>();
  for (const index of indices) {
    const label = labelOf(index);
    if (label === undefined)
      throw dataError(
        `sample ${index} is in no class folder, so the classes cannot be balanced; give a folder with one folder per class`,
      );
    const before = seen.get(label) ?? 0;
    seen.set(label, before + 1);
    if (before < most) yield index;
  }
}

function* upTo(count: number): Generator<number> {
  for (let index = 0; index < count; index += 1) yield index;
}

function* first(indices: Iterable<number>, limit: number): Generator<number> {
  let taken = 0;
  for (const index of indices) {
    if (taken === limit) return;
    taken += 1;
    yield index;
  }
}
