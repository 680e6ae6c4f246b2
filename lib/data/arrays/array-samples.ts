/** Batches from arrays: the next ones are read while the last ones are in use. */
import { abortable, anySignal } from '../../abort.js';
import { NacueError, outOfRange } from '../../errors.js';
import { elementsIn } from '../../shape.js';
import { allocateBatch } from '../allocate-batch.js';
import type { SingleStream } from '../byte-source.js';
import { checkPassOptions } from '../sample-options.js';
import { type SampleOrder, sampleOrder } from '../sample-order.js';
import type { PassOptions, SampleBatch, SampleOptions, Samples } from '../samples.js';
import type { ArraySource } from './array-source.js';
import { OpenArrays, type Run } from './open-arrays.js';

export interface LabelledArray extends ArraySource {
  path: string;
  label: string | undefined;
}

/** Small batches are read several at a time, in stretches of about so many bytes: each read wakes threads that the model needs. */
const stretchBytes = 2 ** 22;
/** The batches of one stretch are with the caller, one from before may still be in use, one stretch is being read. */
const buffersPerPass = 3;

/** Samples that are read at a time, and where in the order they are. */
interface Stretch {
  values: Float32Array;
  from: number;
  next: number;
}

export class ArraySamples implements Samples {
  readonly sampleShape: readonly number[];
  readonly count: number | undefined;
  readonly #arrays: readonly LabelledArray[];
  readonly #streams: readonly SingleStream[];
  /** The index of the first sample of each array. */
  readonly #starts: readonly number[];
  readonly #order: SampleOrder;
  /** Each sample has a file of its own. */
  readonly #named: boolean;
  readonly #labelled: boolean;
  /** Ends each pass that is under way: its user may never come back to it. */
  readonly #passes = new Set<() => Promise<void>>();
  readonly #closing = new AbortController();

  constructor(arrays: readonly LabelledArray[], options: SampleOptions, streams: readonly SingleStream[]) {
    let count = 0;
    this.#arrays = arrays;
    this.#streams = streams;
    this.#starts = arrays.map((array) => {
      const start = count;
      count += array.count;
      return start;
    });
    this.#order = sampleOrder(count, options, (index) => this.#arrays[this.#arrayOf(index)]?.label);
    this.#named = arrays.every(({ single }) => single);
    this.#labelled = arrays.every(({ label }) => label !== undefined);
    this.sampleShape = [...(arrays[0] as LabelledArray).sampleShape];
    this.count = Number.isFinite(count) ? this.#order.length : undefined;
  }

  batches(options: PassOptions): AsyncGenerator<SampleBatch> {
    const { batchSize, from = 0, signal } = checkPassOptions(options);
    if (from > this.#order.length)
      throw outOfRange('from', `at most the number of samples, ${this.#order.length}`, from);
    return this.#pass(batchSize, from, signal);
  }

  async close(): Promise<void> {
    this.#closing.abort(new NacueError('ERR_NACUE_CLOSED', 'the samples were closed'));
    await Promise.all([...this.#passes].map((end) => end()));
    await Promise.all(this.#streams.map((stream) => stream.close()));
  }

  async *#pass(batchSize: number, from: number, signal: AbortSignal | undefined): AsyncGenerator<SampleBatch> {
    const stop = anySignal(signal, this.#closing.signal);
    stop.throwIfAborted();
    const open = new OpenArrays(this.#arrays);
    const samples = Math.min(this.#samplesPerStretch(batchSize), this.#order.length - from);
    const buffers = this.#buffers(samples);
    let reading = this.#read(open, from, samples, buffers);
    const end = async () => {
      open.stop();
      await reading.catch(() => {});
      await open.close();
    };
    this.#passes.add(end);
    try {
      for (;;) {
        const stretch = await abortable(reading, stop);
        stop.throwIfAborted(); // what was read before counts no more
        if (!stretch) return;
        reading = this.#read(open, stretch.next, samples, buffers);
        reading.catch(() => {}); // awaited when the caller comes back; until then it must not count as unhandled
        for (let at = stretch.from; at < stretch.next; at += batchSize) {
          yield this.#batchOf(stretch, at, Math.min(at + batchSize, stretch.next));
          stop.throwIfAborted();
        }
      }
    } finally {
      this.#passes.delete(end);
      await end();
    }
  }

  /** Gives the buffers of a pass in turn; none is larger than what is left to read. */
  #buffers(samples: number): () => Float32Array {
    const buffers: Float32Array[] = [];
    let turn = 0;
    return () => {
      const place = turn++ % buffersPerPass;
      buffers[place] ??= allocateBatch(samples, this.sampleShape);
      return buffers[place];
    };
  }

  /** More than a batch only where one read gives many rows: a stream may take its time, single rows do. */
  #samplesPerStretch(batchSize: number): number {
    const hasLongRuns = this.#order.isSequential && !this.#named && this.#arrays.every(({ source }) => source.seekable);
    if (!hasLongRuns) return batchSize;
    const batchBytes = batchSize * elementsIn(this.sampleShape) * Float32Array.BYTES_PER_ELEMENT;
    return batchSize * Math.max(1, Math.floor(stretchBytes / batchBytes));
  }

  async #read(
    open: OpenArrays,
    from: number,
    samples: number,
    nextBuffer: () => Float32Array,
  ): Promise<Stretch | undefined> {
    const wanted = Math.min(samples, this.#order.length - from);
    if (wanted === 0) return undefined;
    const values = nextBuffer().subarray(0, wanted * elementsIn(this.sampleShape));
    const read = await open.read(this.#runs(from, wanted), values);
    return read === 0 ? undefined : { values, from, next: from + read };
  }

  #batchOf({ values, from }: Stretch, start: number, next: number): SampleBatch {
    const elements = elementsIn(this.sampleShape);
    const indices: number[] = [];
    for (let position = start; position < next; position += 1) indices.push(this.#order.indexAt(position));
    return {
      data: values.subarray((start - from) * elements, (next - from) * elements),
      shape: [indices.length, ...this.sampleShape],
      indices,
      ...this.#filesOf(indices),
      next,
    };
  }

  #runs(from: number, samples: number): Run[] {
    const runs: Run[] = [];
    let last: Run | undefined;
    for (let place = 0; place < samples; ) {
      const index = this.#order.indexAt(from + place);
      const number = last && this.#isIn(last.array, index) ? last.array : this.#arrayOf(index);
      const row = index - (this.#starts[number] as number);
      const rows = this.#order.isSequential ? Math.min(samples - place, this.#countOf(number) - row) : 1;
      if (last?.array === number && row === last.row + last.rows) last.rows += rows;
      else {
        last = { array: number, row, rows, place };
        runs.push(last);
      }
      place += rows;
    }
    return runs;
  }

  #filesOf(indices: readonly number[]): Pick<SampleBatch, 'labels' | 'names'> {
    if (!this.#named && !this.#labelled) return {};
    const arrays = indices.map((index) => this.#arrays[this.#arrayOf(index)] as LabelledArray);
    return {
      ...(this.#named && { names: arrays.map(({ path }) => path) }),
      ...(this.#labelled && { labels: arrays.map(({ label }) => label as string) }),
    };
  }

  #isIn(number: number, index: number): boolean {
    const start = this.#starts[number] as number;
    return start <= index && index < start + this.#countOf(number);
  }

  #countOf(number: number): number {
    return (this.#arrays[number] as LabelledArray).count;
  }

  /** The last array that does not begin after the sample: those before it at the same place are empty. */
  #arrayOf(index: number): number {
    let [low, high] = [0, this.#starts.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#starts[middle] as number) <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
