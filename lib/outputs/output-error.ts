import { messageOf, NacueError } from '../errors.js';

/** The error for an output that cannot be written; one that says so already stays. */
export function outputError(file: string, error: unknown): NacueError {
  if (error instanceof NacueError) return error;
  return new NacueError('ERR_NACUE_OUTPUT', `cannot write '${file}': ${messageOf(error)}`, { cause: error });
}
