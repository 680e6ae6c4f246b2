import { findBinaries } from '../addon/binaries.js';
import { NacueError } from '../errors.js';

/** For commands that also work where there is no binary, or where `NACUE_PREBUILD` names a place without any. */
export function minorsWithBinary(): string[] {
  try {
    return findBinaries().map(({ minor }) => minor);
  } catch (error) {
    if (error instanceof NacueError && error.code === 'ERR_NACUE_LOAD_FAILED') return [];
    throw error;
  }
}
