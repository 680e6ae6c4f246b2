/** open.ts, read at the first use: with all that it needs, it is more than half of what loading the package costs. */
import type * as Opening from './open.js';

function opening(): typeof Opening {
  return require('./open.js');
}

export const loadBinding: typeof Opening.loadBinding = (nativeBinding) => opening().loadBinding(nativeBinding);
export const cudaProblem: typeof Opening.cudaProblem = () => opening().cudaProblem();
