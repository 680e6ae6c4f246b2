/**
 * The scores that need nothing but logits, to set beside NAC-UE. Larger = more out-of-distribution, as everywhere here.
 *
 * Computed in float64, so that confident samples which float32 rounds to the same softmax of 1 stay apart.
 */
import { types } from 'node:util';
import { invalidType, wrongShape } from './errors.js';
import type { Tensor } from './results.js';

/**
 * Minus the largest softmax probability, in [-1, -1/C] (Hendrycks and Gimpel 2017, arXiv 1610.02136; pytorch_ood's MaxSoftmax).
 *
 * @param logits (B, C)
 * @returns (B,)
 * @throws TypeError `ERR_NACUE_INVALID_ARG_TYPE`, RangeError `ERR_NACUE_SHAPE`
 */
export function maxSoftmax(logits: Tensor): Float64Array {
  return scoreRows(logits, (row) => -1 / sumOfExponentials(row, largest(row)));
}

/**
 * Minus the logarithm of the sum of exponentials, at temperature 1 (Liu et al. 2020, arXiv 2010.03759; pytorch_ood's EnergyBased).
 *
 * @param logits (B, C)
 * @returns (B,)
 * @throws like {@link maxSoftmax}
 */
export function energy(logits: Tensor): Float64Array {
  return scoreRows(logits, (row) => {
    const shift = largest(row);
    return -(shift + Math.log(sumOfExponentials(row, shift)));
  });
}

/**
 * Minus the largest logit (Hendrycks et al. 2022, arXiv 1911.11132; pytorch_ood's MaxLogit).
 *
 * @param logits (B, C)
 * @returns (B,)
 * @throws like {@link maxSoftmax}
 */
export function maxLogit(logits: Tensor): Float64Array {
  return scoreRows(logits, (row) => -largest(row));
}

function scoreRows(logits: Tensor, score: (row: Float32Array) => number): Float64Array {
  if (!types.isFloat32Array(logits?.data) || !Array.isArray(logits.shape)) {
    throw invalidType('logits', '{ data: Float32Array, shape: [B, C] }', logits);
  }
  const { data, shape } = logits;
  const [samples, classes] = shape as [number, number];
  if (shape.length !== 2 || classes < 1 || data.length !== samples * classes) {
    throw wrongShape(`logits must have the shape [B, C], received [${shape.join(', ')}] for ${data.length} values`);
  }
  const scores = new Float64Array(samples);
  for (let i = 0; i < samples; i++) scores[i] = score(data.subarray(i * classes, (i + 1) * classes));
  return scores;
}

function largest(row: Float32Array): number {
  return row.reduce((most, logit) => Math.max(most, logit), Number.NEGATIVE_INFINITY);
}

/** Shifted by the largest logit, so that no exponential overflows. */
function sumOfExponentials(row: Float32Array, shift: number): number {
  return row.reduce((sum, logit) => sum + Math.exp(logit - shift), 0);
}
