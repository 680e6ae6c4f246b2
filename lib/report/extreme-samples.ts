/** Keeps the most and the least covered samples of a set. */
import type { Batch, DimsBatch, ShapedBatch } from '../batch.js';
import type { Score } from '../results.js';
import { elementsIn } from '../shape.js';
import type { ExtremeSample } from './evaluation-record.js';
import { isPicture, pictureOfArray, pictureOfFile } from './sample-picture.js';

/** What batches may carry beside their values. */
interface Described {
  indices?: readonly number[];
  names?: readonly string[];
  labels?: readonly string[];
}

type Candidate = Omit<ExtremeSample, 'set' | 'end'>;

export class Extremes {
  readonly #limit: number;
  /** Most covered first: the lowest scores. */
  readonly #most: Candidate[] = [];
  /** Least covered first: the highest scores. */
  readonly #least: Candidate[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** `before`: how many samples of the set came before this batch. Of equal scores the first one stays. */
  add(batch: Batch, score: Score, before: number): void {
    for (const [row, value] of score.scores.entries()) {
      const isMost = this.#enters(this.#most, value, (a, b) => a < b);
      const isLeast = this.#enters(this.#least, value, (a, b) => a > b);
      if (!isMost && !isLeast) continue;
      const candidate = describeSample(batch, score, row, before + row);
      if (isMost) this.#insert(this.#most, candidate, (a, b) => a < b);
      if (isLeast) this.#insert(this.#least, candidate, (a, b) => a > b);
    }
  }

  async list(set: string): Promise<ExtremeSample[]> {
    const samples: ExtremeSample[] = [
      ...this.#most.map((sample) => ({ set, end: 'most-covered' as const, ...sample })),
      ...this.#least.map((sample) => ({ set, end: 'least-covered' as const, ...sample })),
    ];
    for (const sample of samples) await showFile(sample);
    return samples;
  }

  #enters(list: readonly Candidate[], score: number, isBefore: (a: number, b: number) => boolean): boolean {
    if (list.length < this.#limit) return true;
    const last = list.at(-1);
    return last !== undefined && isBefore(score, last.score);
  }

  #insert(list: Candidate[], candidate: Candidate, isBefore: (a: number, b: number) => boolean): void {
    const place = list.findIndex(({ score }) => isBefore(candidate.score, score));
    list.splice(place < 0 ? list.length : place, 0, candidate);
    list.length = Math.min(list.length, this.#limit);
  }
}

/** The file shows the colours that the tensor no longer has, where there is one. */
async function showFile(sample: ExtremeSample): Promise<void> {
  const picture = sample.name === undefined ? undefined : await pictureOfFile(sample.name);
  if (picture !== undefined) sample.picture = picture;
}

function describeSample(
  batch: Batch,
  { scores, logits, layerScores }: Score,
  row: number,
  position: number,
): Candidate {
  const { indices, names, labels } = batch as Described;
  const classes = logits.shape[1] as number;
  const picture = pictureOf(batch, row);
  return {
    index: indices?.[row] ?? position,
    ...(names?.[row] !== undefined && { name: names[row] }),
    ...(labels?.[row] !== undefined && { label: labels[row] }),
    score: scores[row] as number,
    predicted: indexOfLargest(logits.data.subarray(row * classes, (row + 1) * classes)),
    coverage: Array.from(
      { length: layerScores.shape[0] as number },
      (_, l) => layerScores.data[l * scores.length + row] as number,
    ),
    ...(picture !== undefined && { picture }),
  };
}

function pictureOf(batch: Batch, row: number): string | undefined {
  if (ArrayBuffer.isView(batch)) return undefined;
  const [, ...shape] = 'shape' in batch ? (batch as ShapedBatch).shape : (batch as DimsBatch).dims;
  if (!isPicture(shape)) return undefined;
  const size = elementsIn(shape);
  return pictureOfArray(batch.data.subarray(row * size, (row + 1) * size), shape);
}

function indexOfLargest(values: Float32Array): number {
  return values.reduce((best, value, i) => (value > (values[best] as number) ? i : best), 0);
}
