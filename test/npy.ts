/** NumPy files for tests of the command line. */
import fs from 'node:fs';

const headerLength = 128;

/** Writes (N, ...) float32. */
export function writeNpy(file: string, data: Float32Array, shape: readonly number[]): string {
  const header = Buffer.alloc(headerLength, ' ');
  header.write('\x93NUMPY\x01\x00', 'latin1');
  header.writeUInt16LE(headerLength - 10, 8);
  header.write(`{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`, 10);
  header.write('\n', headerLength - 1);
  fs.writeFileSync(file, Buffer.concat([header, Buffer.from(data.buffer, data.byteOffset, data.byteLength)]));
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
