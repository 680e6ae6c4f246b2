/** Opens image files and folders of them. */
import os from 'node:os';
import type { NativeImageTransform } from '../../addon/binding.js';
import { invalidType, outOfRange } from '../../errors.js';
import { sameShape } from '../../shape.js';
import type { SampleOptions, Samples } from '../samples.js';
import { findImages } from './find-images.js';
import { ImageSamples } from './image-samples.js';
import { parseImageTransform, transformedShape, transformForms } from './image-transform.js';
import { loadSharp } from './sharp.js';

/**
 * @param paths files that exist, and folders with a folder per class, or none
 * @throws as `openSamples` does
 */
export async function openImages(paths: readonly string[], options: SampleOptions): Promise<Samples> {
  if (options.array !== undefined)
    throw outOfRange('array', 'left out for images: it chooses an array in a file', options.array);
  if (options.transform === undefined)
    throw invalidType('transform', `given for images: ${transformForms}`, options.transform);
  const transform = parseImageTransform(options.transform);
  const sampleShape = shapeOf(transform, options.shape);
  await loadSharp();
  const files = await findImages(paths);
  return new ImageSamples(files, transform, sampleShape, { ...options, threads: options.threads ?? threadsAtHand() });
}

function shapeOf(
  transform: NativeImageTransform,
  wanted: readonly number[] | undefined,
): readonly number[] | undefined {
  const shape = transformedShape(transform);
  if (wanted === undefined || shape === undefined) return shape ?? wanted;
  if (!sameShape(shape, wanted))
    throw outOfRange('shape', `(${shape.join(', ')}), which the transform makes of images`, [...wanted]);
  return shape;
}

/** Decoders run in libuv's pool: more of them than it has threads, or the machine has cores, would only wait. */
function threadsAtHand(): number {
  const pool = Number.parseInt(process.env.UV_THREADPOOL_SIZE ?? '', 10);
  return Math.min(pool > 0 ? pool : 4, os.availableParallelism());
}
