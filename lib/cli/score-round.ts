/** How many batches are scored and written together: one by one, small ones cost more here than the model needs for them. */
import { elementsIn } from '../shape.js';

const roundMs = 50;
/** The detector copies a batch; what many large copies leave when they go, smaller memory fills, and the process grows by 100 MB and more. */
const roundBytes = 2 ** 19;
const roundBatches = 16;

export class ScoreRound {
  batches = 1;
  readonly #most: number;
  #began = performance.now();

  /** @param sampleShape where it is known */
  constructor(sampleShape: readonly number[] | undefined, batchSize: number) {
    const batchBytes = sampleShape && batchSize * elementsIn(sampleShape) * Float32Array.BYTES_PER_ELEMENT;
    this.#most = batchBytes ? between(1, Math.floor(roundBytes / batchBytes), roundBatches) : 1;
  }

  /** Ends a round. The next one has as many batches as take some 50 ms: an interrupted run ends soon, and no score waits for long. */
  next(): void {
    const now = performance.now();
    const fitting = Math.round((this.batches * roundMs) / (now - this.#began));
    this.batches = between(1, fitting, Math.min(2 * this.batches, this.#most));
    this.#began = now;
  }
}

function between(least: number, value: number, most: number): number {
  return Math.max(least, Math.min(value, most));
}
