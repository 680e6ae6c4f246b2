import { availableBinaries } from '../doctor/libtorch.js';

/** For commands that also work where there is no binary, or where `NACUE_PREBUILD` names a place without any. */
export function minorsWithBinary(): string[] {
  return availableBinaries().available.map(({ minor }) => minor);
}
