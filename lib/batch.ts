/** Checks a batch and gives it the form in which the native side copies it. */
import { types } from 'node:util';
import { invalidType, wrongShape } from './errors.js';
import { elementsIn, sameShape } from './shape.js';

/** Rows of float32 in row-major order; the first dimension counts the samples. */
export interface ShapedBatch {
  data: Float32Array;
  /** (B, ...) */
  shape: readonly number[];
}

/** The same as an onnxruntime Tensor spells it. */
export interface DimsBatch {
  data: Float32Array;
  /** (B, ...) */
  dims: readonly number[];
}

/** What `fit`, `predict` and `score` take. A bare `Float32Array` needs `inputShape` in the options. */
export type Batch = ShapedBatch | DimsBatch | Float32Array;

/** What `fit` and everything else that reads many batches takes. */
export type Batches = Iterable<Batch> | AsyncIterable<Batch>;

export interface CheckedBatch {
  data: Float32Array;
  shape: number[];
}

/**
 * Validates a batch; `inputShape` is the shape of one sample where it is known.
 *
 * @throws TypeError `ERR_NACUE_INVALID_ARG_TYPE`, RangeError `ERR_NACUE_SHAPE`
 */
export function checkBatch(batch: Batch, inputShape: readonly number[] | null): CheckedBatch {
  if (types.isFloat32Array(batch)) return shapeBare(batch, inputShape);
  if (typeof batch !== 'object' || batch === null || ArrayBuffer.isView(batch)) {
    throw invalidType('batch', 'a Float32Array or { data: Float32Array, shape: number[] }', batch);
  }
  const data: unknown = batch.data;
  if (!types.isFloat32Array(data)) throw invalidType('batch.data', 'a Float32Array', data);
  const shape = checkShape('shape' in batch ? batch.shape : (batch as DimsBatch).dims);
  if (inputShape && !sameShape(shape.slice(1), inputShape)) {
    throw wrongShape(`batch.shape must be (B, ${inputShape.join(', ')}), received (${shape.join(', ')})`);
  }
  const length = elementsIn(shape);
  if (data.length !== length) {
    throw wrongShape(`batch.data has ${lengthText(data)}, batch.shape (${shape.join(', ')}) asks for ${length}`);
  }
  return { data: unshared(data), shape };
}

/** A copy that later changes to the caller's buffer cannot reach. */
export function copyBatch(batch: CheckedBatch): CheckedBatch {
  return { data: batch.data.slice(), shape: batch.shape };
}

function shapeBare(data: Float32Array, inputShape: readonly number[] | null): CheckedBatch {
  if (!inputShape) {
    throw invalidType('batch', '{ data: Float32Array, shape: number[] } as the options had no inputShape', data);
  }
  const sample = elementsIn(inputShape);
  if (data.length % sample !== 0) {
    throw wrongShape(
      `batch has ${lengthText(data)}, no multiple of a sample of (${inputShape.join(', ')}) = ${sample}`,
    );
  }
  return { data: unshared(data), shape: [data.length / sample, ...inputShape] };
}

function checkShape(shape: unknown): number[] {
  if (!Array.isArray(shape) && !(ArrayBuffer.isView(shape) && !(shape instanceof DataView))) {
    throw invalidType('batch.shape', 'an array of numbers', shape);
  }
  const sizes = Array.from(shape as ArrayLike<unknown>);
  if (sizes.length === 0) throw wrongShape('batch.shape must have at least the batch dimension, received ()');
  return sizes.map((size) => {
    if (typeof size !== 'number') throw invalidType('batch.shape', 'an array of numbers', shape);
    if (!Number.isSafeInteger(size) || size < 0) {
      throw wrongShape(`batch.shape must hold whole numbers >= 0, received (${sizes.join(', ')})`);
    }
    return size;
  });
}

function lengthText(data: Float32Array): string {
  return data.length === 0 ? '0 values (was its buffer transferred or detached?)' : `${data.length} values`;
}

// Node-API cannot read a view on shared memory, and another thread could change it during the copy.
function unshared(data: Float32Array): Float32Array {
  return data.buffer instanceof SharedArrayBuffer ? data.slice() : data;
}
