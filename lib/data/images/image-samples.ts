/** Batches from image files: decoded and transformed while the batch before is in use. */
import { anySignal } from '../../abort.js';
import type { NativeImageTransform, NativeTensor } from '../../addon/binding.js';
import { NacueError, outOfRange } from '../../errors.js';
import { elementsIn, sameShape } from '../../shape.js';
import { allocateBatch } from '../allocate-batch.js';
import { dataError } from '../data-error.js';
import { checkPassOptions } from '../sample-options.js';
import { type SampleOrder, sampleOrder } from '../sample-order.js';
import type { PassOptions, SampleBatch, SampleOptions, Samples } from '../samples.js';
import { decodeImageFile } from './decode-image.js';
import type { ImageFile } from './find-images.js';
import { readAhead } from './read-ahead.js';
import { transformOwned } from './transform-images.js';

/** What has been read and waits for its batch holds at most so much. */
const bytesAhead = 2 ** 27;

interface ImagePlace {
  position: number;
  index: number;
  file: ImageFile;
}

interface ReadImage extends ImagePlace {
  /** Why there is no tensor. */
  result: NativeTensor | NacueError;
}

export class ImageSamples implements Samples {
  readonly sampleShape: readonly number[] | undefined;
  readonly count: number;
  readonly #files: readonly ImageFile[];
  readonly #transform: NativeImageTransform;
  readonly #order: SampleOrder;
  readonly #labelled: boolean;
  readonly #skips: boolean;
  readonly #threads: number;
  readonly #closing = new AbortController();

  constructor(
    files: readonly ImageFile[],
    transform: NativeImageTransform,
    sampleShape: readonly number[] | undefined,
    options: SampleOptions & { threads: number },
  ) {
    this.#files = files;
    this.#transform = transform;
    this.#order = sampleOrder(files.length, options, (index) => files[index]?.label);
    this.#labelled = files.every(({ label }) => label !== undefined);
    this.#skips = options.onError === 'skip';
    this.#threads = options.threads;
    this.sampleShape = sampleShape && [...sampleShape];
    this.count = this.#order.length;
  }

  batches(options: PassOptions): AsyncGenerator<SampleBatch> {
    const { from = 0 } = checkPassOptions(options);
    if (from > this.count) throw outOfRange('from', `at most the number of samples, ${this.count}`, from);
    return this.#pass({ ...options, from });
  }

  async close(): Promise<void> {
    this.#closing.abort(new NacueError('ERR_NACUE_CLOSED', 'the samples were closed'));
  }

  async *#pass({ batchSize, from, signal, onSkip }: PassOptions & { from: number }): AsyncGenerator<SampleBatch> {
    const stop = anySignal(signal, this.#closing.signal);
    stop.throwIfAborted();
    let shape = this.sampleShape;
    let batch: BatchInWork | undefined;
    for await (const image of readAhead(this.count - from, (i) => this.#read(from + i), this.#pace(batchSize, stop))) {
      const error = problemOf(image, shape);
      if (error && !this.#skips) throw error;
      if (error) {
        onSkip?.({ index: image.index, name: image.file.path, error });
        continue;
      }
      shape ??= (image.result as NativeTensor).shape;
      batch ??= new BatchInWork(Math.min(batchSize, this.count - image.position), shape);
      batch.add(image);
      if (batch.images.length < batchSize) continue;
      yield this.#finished(batch);
      batch = undefined;
      stop.throwIfAborted();
    }
    if (batch) yield this.#finished(batch);
  }

  #pace(batchSize: number, signal: AbortSignal) {
    const bytesPerImage = 4 * elementsIn(this.sampleShape ?? [3, 256, 256]);
    const atOnce = this.#threads;
    const ahead = atOnce + Math.min(batchSize, Math.floor(bytesAhead / bytesPerImage));
    return { atOnce, ahead, signal };
  }

  async #read(position: number): Promise<ReadImage> {
    const index = this.#order.indexAt(position);
    const file = this.#files[index] as ImageFile;
    const result = await tensorOf(file, this.#transform).catch((error: unknown) => {
      if (error instanceof NacueError && error.code === 'ERR_NACUE_DATA') return error;
      throw error;
    });
    return { position, index, file, result };
  }

  #finished({ data, images, sampleShape }: BatchInWork): SampleBatch {
    return {
      data,
      shape: [images.length, ...sampleShape],
      indices: images.map(({ index }) => index),
      names: images.map(({ file }) => file.path),
      ...(this.#labelled && { labels: images.map(({ file }) => file.label as string) }),
      next: (images.at(-1) as ImagePlace).position + 1,
    };
  }
}

class BatchInWork {
  readonly images: ImagePlace[] = [];
  readonly sampleShape: readonly number[];
  readonly #values: Float32Array;
  #filled = 0;

  constructor(most: number, sampleShape: readonly number[]) {
    this.sampleShape = sampleShape;
    this.#values = allocateBatch(most, sampleShape);
  }

  get data(): Float32Array {
    return this.#values.subarray(0, this.#filled);
  }

  add({ result, ...place }: ReadImage): void {
    const { data } = result as NativeTensor;
    this.#values.set(data, this.#filled);
    this.#filled += data.length;
    this.images.push(place);
  }
}

async function tensorOf({ path }: ImageFile, transform: NativeImageTransform): Promise<NativeTensor> {
  const image = await decodeImageFile(path);
  try {
    return await transformOwned(image, transform);
  } catch (error) {
    if (error instanceof NacueError && error.code === 'ERR_NACUE_DATA')
      throw dataError(`'${path}': ${error.message}`, error);
    throw error;
  }
}

function problemOf({ file, result }: ReadImage, wanted: readonly number[] | undefined): NacueError | undefined {
  if (result instanceof NacueError) return result;
  if (!wanted || sameShape(result.shape, wanted)) return undefined;
  return dataError(
    `'${file.path}' became (${result.shape.join(', ')}), others (${wanted.join(', ')}): all must have one size; crop or stretch them by transform`,
  );
}
