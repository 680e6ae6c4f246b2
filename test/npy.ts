/** NumPy files for tests of the command line. */
import fs from 'node:fs';
import { npyBytes } from './arrays.js';

/** Writes (N, ...) float32. */
export function writeNpy(file: string, data: Float32Array, shape: readonly number[]): string {
  fs.writeFileSync(file, npyBytes(shape, data));
  return file;
}

/** The values and the shape's text of a file that nacue wrote. */
export function readNpy(file: string): { data: Float32Array; header: string } {
  const bytes = fs.readFileSync(file);
  const start = 10 + bytes.readUInt16LE(8);
  return {
    data: new Float32Array(Uint8Array.from(bytes.subarray(start)).buffer),
    header: bytes.toString('latin1', 10, start),
  };
}
