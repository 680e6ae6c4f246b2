import { NacueError } from '../errors.js';
import { elementsIn } from '../shape.js';

/** @throws NacueError `ERR_NACUE_OUT_OF_MEMORY` */
export function allocateBatch(samples: number, sampleShape: readonly number[]): Float32Array {
  try {
    return new Float32Array(samples * elementsIn(sampleShape));
  } catch (error) {
    const problem = `a batch of ${samples} samples of shape (${sampleShape.join(', ')}) does not fit into memory`;
    throw new NacueError('ERR_NACUE_OUT_OF_MEMORY', problem, { cause: error });
  }
}
