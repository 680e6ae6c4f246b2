/** Scores as a NumPy file: (N,) float32, little-endian, format 1.0. */
import { endianness } from 'node:os';
import type { ScoreFormat } from './score-format.js';

const headerLength = 128;
const magic = '\x93NUMPY\x01\x00';

export function npyFormat(): ScoreFormat {
  return {
    batch: ({ scores }, before) => {
      const values = littleEndian(scores);
      return before === 0 ? Buffer.concat([npyHeader(0), values]) : values;
    },
    end: (records) => (records === 0 ? npyHeader(0) : ''),
    start: npyHeader,
  };
}

/** As long whatever the number is, so that it can be written when all scores are. */
function npyHeader(count: number): Uint8Array {
  const dictionary = `{'descr': '<f4', 'fortran_order': False, 'shape': (${count},), }`;
  const textLength = headerLength - magic.length - 2;
  const header = Buffer.alloc(headerLength);
  header.write(magic, 'latin1');
  header.writeUInt16LE(textLength, magic.length);
  header.write(`${dictionary.padEnd(textLength - 1)}\n`, magic.length + 2, 'latin1');
  return header;
}

function littleEndian(values: Float32Array): Uint8Array {
  const bytes = Buffer.from(values.slice().buffer);
  return endianness() === 'LE' ? bytes : bytes.swap32();
}
