/** The files that one pass has open, and the reads of one batch from them. */
import { elementsIn } from '../../shape.js';
import type { ArraySource } from './array-source.js';
import { RowReader } from './row-reader.js';

/** Neighbouring rows of one array, and where in the batch they go. */
export interface Run {
  array: number;
  row: number;
  rows: number;
  place: number;
}

/** So many reads are asked of the system at a time; Node itself has four threads for them. */
const simultaneous = 16;
/** Folders may have more files than a process may open. */
const mostOpen = 64;

export class OpenArrays {
  readonly #arrays: readonly ArraySource[];
  /** By number of the array, the one used last at the end. */
  readonly #readers = new Map<number, Promise<RowReader>>();
  #stopped = false;

  constructor(arrays: readonly ArraySource[]) {
    this.#arrays = arrays;
  }

  /** Reads runs into `values`; returns the number of samples, which is less than asked for only where a stream ends. */
  async read(runs: readonly Run[], values: Float32Array): Promise<number> {
    let samples = 0;
    for (let next = 0; next < runs.length; next += simultaneous) {
      const group = runs.slice(next, next + simultaneous);
      const read = await inParallelIfSeekable(group, this.#arrays, (run) => this.#readRun(run, values));
      samples += read.reduce((sum, rows) => sum + rows, 0);
      await this.#closeOldest();
    }
    return samples;
  }

  /** Ends the reads that wait for a stream. */
  stop(): void {
    this.#stopped = true;
    for (const reader of this.#readers.values()) reader.then((opened) => opened.stop()).catch(() => {}); // its user knows
  }

  /** To be called when no read is under way; more than once is no harm. */
  async close(): Promise<void> {
    const readers = [...this.#readers.values()];
    this.#readers.clear();
    for (const reader of await Promise.allSettled(readers))
      if (reader.status === 'fulfilled') await reader.value.close();
  }

  async #readRun(run: Run, values: Float32Array): Promise<number> {
    const array = this.#arrays[run.array] as ArraySource;
    const elements = elementsIn(array.sampleShape);
    const reader = await this.#readerOf(run.array);
    const rows = await reader.read(run.row, values.subarray(run.place * elements, (run.place + run.rows) * elements));
    if (run.row + rows === array.count) await reader.expectEnd();
    return rows;
  }

  #readerOf(number: number): Promise<RowReader> {
    if (this.#stopped) throw new Error('a pass that was stopped reads on');
    const reader = this.#readers.get(number) ?? RowReader.open(this.#arrays[number] as ArraySource);
    this.#readers.delete(number);
    this.#readers.set(number, reader);
    return reader;
  }

  async #closeOldest(): Promise<void> {
    for (const [number, reader] of this.#readers) {
      if (this.#readers.size <= mostOpen) return;
      this.#readers.delete(number);
      await (await reader).close();
    }
  }
}

/** A stream must be read in order. Waits for all, also when one fails, so that no read is left under way. */
async function inParallelIfSeekable(
  runs: readonly Run[],
  arrays: readonly ArraySource[],
  read: (run: Run) => Promise<number>,
): Promise<number[]> {
  if (runs.every(({ array }) => arrays[array]?.source.seekable)) {
    const steps = await Promise.allSettled(runs.map(read));
    return steps.map((step) => {
      if (step.status === 'rejected') throw step.reason;
      return step.value;
    });
  }
  const rows: number[] = [];
  for (const run of runs) rows.push(await read(run));
  return rows;
}
