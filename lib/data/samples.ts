/** What all readers of samples give: batches of float32 in a fixed order, one pass at a time. */
import type { NacueError } from '../errors.js';

/** Samples of one shape, as `fit`, `score` and `calibrate` take them. */
export interface SampleBatch {
  /** Its own memory for as long as the next batch but one is not asked for. */
  data: Float32Array;
  /** (B, ...) */
  shape: number[];
  /**
   * The positions of the samples in the data: rows and files counted through all paths, before `shuffle`, `balanced` and `limit`. A
   * sample has the same index whatever the options are.
   */
  indices: number[];
  /** The files of the samples, where each has one of its own. */
  names?: string[];
  /** The class folders of the samples, where the data has such. */
  labels?: string[];
  /** `from` of a pass that goes on after this batch; counts samples that were skipped, too. */
  next: number;
}

/** A sample that could not be read and was left out. */
export interface SkippedSample {
  index: number;
  name: string;
  error: NacueError;
}

export interface PassOptions {
  batchSize: number;
  /** How many samples of the order to leave out at its start, default 0: the `next` of the last batch of a pass that is resumed. */
  from?: number;
  signal?: AbortSignal;
  /** Called for each sample that is left out, before the batch that would have held it. */
  onSkip?: (skipped: SkippedSample) => void;
}

/** Samples that are read when they are asked for. */
export interface Samples {
  /** The shape of one sample; undefined for images whose transform does not fix it. */
  readonly sampleShape: readonly number[] | undefined;
  /** How many a pass gives, without those it skips; undefined for stdin. */
  readonly count: number | undefined;
  /** One pass over the samples; stdin can be read only once. */
  batches(options: PassOptions): AsyncGenerator<SampleBatch>;
  /** Closes the files. */
  close(): Promise<void>;
}

export interface SampleOptions {
  /** The shape of one sample: needed for raw float32, for all else a check. */
  shape?: readonly number[];
  /** The array inside .npz or .safetensors files that hold more than one. */
  array?: string;
  /** How images become tensors, which they need: `'imagenet'` and all else that `transformImages` takes as a string. */
  transform?: string;
  /** What a broken image does to the pass, default `'stop'`. */
  onError?: 'stop' | 'skip';
  /** At most so many samples, after `shuffle` and `balanced`. */
  limit?: number;
  /** At most so many samples of each class folder. */
  balanced?: number;
  /** A random order that only depends on `seed` and the number of samples. */
  shuffle?: boolean;
  /** Of `shuffle`, default 0. */
  seed?: number;
  /** Images decoded at the same time; default: as many as libuv has threads, and no more than the machine has cores. */
  threads?: number;
}
