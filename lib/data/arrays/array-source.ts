/** An array of samples in C order within bytes. */
import { elementsIn, sameShape } from '../../shape.js';
import type { ByteSource } from '../byte-source.js';
import { dataError } from '../data-error.js';
import type { ElementType } from './element-types.js';

/** What a file says about an array, before anybody knows which dimension counts the samples. */
export interface StoredArray {
  readonly source: ByteSource;
  /** Where the elements begin. */
  readonly start: number;
  readonly type: ElementType;
  /** undefined for raw bytes, which have none of their own. */
  readonly shape: readonly number[] | undefined;
}

/** An array whose samples are known. */
export interface ArraySource extends StoredArray {
  readonly sampleShape: readonly number[];
  /** Infinity where only the end of the stream will tell. */
  readonly count: number;
  /** The whole array is one sample. */
  readonly single: boolean;
}

/**
 * Splits an array into samples. Without `shape`, the first dimension counts them. With it, an array of just that shape is one sample; and
 * samples that are flat, (N, K), take the shape if it has K elements.
 */
export function asSamples(array: StoredArray, shape: readonly number[] | undefined): ArraySource {
  if (array.shape === undefined) return rawSamples(array, shape);
  if (shape !== undefined && sameShape(array.shape, shape))
    return { ...array, sampleShape: shape, count: 1, single: true };
  const [count, ...found] = array.shape;
  if (count === undefined)
    throw dataError(`'${array.source.name}' holds one number, no array whose first dimension counts samples`);
  if (count > 0 && elementsIn(found) === 0)
    throw dataError(`'${array.source.name}' has samples without elements: its shape is ${shapeText(array.shape)}`);
  const samples = { ...array, count, single: false };
  if (shape === undefined || sameShape(found, shape)) return { ...samples, sampleShape: found };
  if (found.length === 1 && found[0] === elementsIn(shape)) return { ...samples, sampleShape: shape };
  throw dataError(
    `'${array.source.name}' has samples of shape ${shapeText(found)}, expected ${shapeText(shape)}: its shape is ${shapeText(array.shape)}`,
  );
}

function rawSamples(array: StoredArray, shape: readonly number[] | undefined): ArraySource {
  const { source, type } = array;
  if (shape === undefined)
    throw dataError(`'${source.name}' is taken as raw float32, which needs the shape of a sample; give it as 'shape'`);
  const sampleBytes = elementsIn(shape) * type.bytes;
  const count = source.size === undefined ? Number.POSITIVE_INFINITY : source.size / sampleBytes;
  if (count !== Number.POSITIVE_INFINITY && !Number.isInteger(count))
    throw dataError(
      `'${source.name}' has ${source.size} bytes, no multiple of a sample of shape ${shapeText(shape)} in float32: ${sampleBytes}`,
    );
  return { ...array, sampleShape: shape, count, single: false };
}

/** As Python writes a tuple. */
export function shapeText(shape: readonly number[]): string {
  return shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
}

/** Fails unless the elements, and nothing else, are between `start` and `end` of the bytes. */
export function checkExtent(array: StoredArray, end: number | undefined): StoredArray {
  const { source, start, type, shape = [] } = array;
  const bytes = elementsIn(shape) * type.bytes;
  if (!Number.isSafeInteger(bytes)) throw dataError(`'${source.name}' claims an impossible shape: ${shapeText(shape)}`);
  if (end === undefined || end - start === bytes) return array;
  const asked = `${shapeText(shape)} in ${type.name} takes ${bytes} bytes`;
  throw dataError(
    end - start < bytes
      ? `'${source.name}' is truncated: ${asked}, the file has ${Math.max(0, end - start)}`
      : `'${source.name}' has ${end - start - bytes} bytes too many: ${asked}, the file has ${end - start}`,
  );
}
