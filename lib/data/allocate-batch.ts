import { constants } from 'node:buffer';
import { NacueError } from '../errors.js';
import { elementsIn } from '../shape.js';

/** @throws NacueError `ERR_NACUE_OUT_OF_MEMORY` */
export function allocateBatch(samples: number, sampleShape: readonly number[]): Float32Array {
  const elements = samples * elementsIn(sampleShape);
  try {
    // Its bytes are looked at as an array of their own, which may have no more elements than this.
    if (elements * Float32Array.BYTES_PER_ELEMENT > constants.MAX_LENGTH) throw new RangeError('too many bytes');
    return new Float32Array(elements);
  } catch (error) {
    const problem = `a batch of ${samples} samples of shape (${sampleShape.join(', ')}) does not fit into memory`;
    throw new NacueError('ERR_NACUE_OUT_OF_MEMORY', problem, { cause: error });
  }
}
