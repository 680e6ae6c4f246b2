/**
 * NumPy's .npy, format versions 1.0 to 3.0 (numpy.lib.format): magic, version, length of the header, header, elements. The header is a
 * Python dictionary with `descr`, `fortran_order` and `shape`; it is read by a parser of its own, and nothing is ever unpickled.
 */
import type { ByteReader, ByteSource } from '../byte-source.js';
import { dataError } from '../data-error.js';
import { checkExtent, type StoredArray } from './array-source.js';
import { type ElementType, float16, float32, float64, uint8 } from './element-types.js';
import { type PythonLiteral, parsePythonLiteral } from './python-literal.js';

const magic = '\x93NUMPY';
/** What NumPy itself takes at most from a file that is not trusted; headers of the types read here have about 100 bytes. */
const longestHeader = 10_000;

const types: ReadonlyMap<string, ElementType> = new Map([
  ['<f4', float32],
  ['<f8', float64],
  ['<f2', float16],
  ['|u1', uint8],
]);

/** Reads the header. */
export async function readNpy(source: ByteSource): Promise<StoredArray> {
  const reader = await source.open();
  try {
    const { header, start } = await readHeader(source, reader);
    const { type, shape } = parseHeader(source.name, header);
    return checkExtent({ source, start, type, shape }, source.size);
  } finally {
    await reader.close();
  }
}

export function isNpy(bytes: Uint8Array): boolean {
  return Buffer.from(bytes).toString('latin1').startsWith(magic);
}

async function readHeader({ name }: ByteSource, reader: ByteReader): Promise<{ header: string; start: number }> {
  const read = async (length: number, position: number) => {
    const bytes = Buffer.alloc(length);
    if ((await reader.read(bytes, position)) < length) throw dataError(`'${name}' is truncated: it ends in its header`);
    return bytes;
  };
  const opening = Buffer.alloc(8);
  const there = await reader.read(opening, 0);
  if (!isNpy(opening)) throw dataError(`'${name}' is no .npy file: ${whatElse(opening.subarray(0, there))}`);
  if (there < opening.length) throw dataError(`'${name}' is truncated: it ends in its header`);
  const [major, minor] = [opening[6] as number, opening[7] as number];
  if (major < 1 || major > 3 || minor !== 0)
    throw dataError(`'${name}' has version ${major}.${minor} of the .npy format; 1.0 to 3.0 are known`);
  const width = major === 1 ? 2 : 4;
  const length = (await read(width, 8)).readUIntLE(0, width);
  if (length > longestHeader)
    throw dataError(
      `'${name}' has a header of ${length} bytes: it is damaged, or its elements are records of many fields`,
    );
  const header = (await read(length, 8 + width)).toString(major === 3 ? 'utf8' : 'latin1');
  return { header, start: 8 + width + length };
}

function whatElse(opening: Buffer): string {
  if (opening.length === 0) return 'it is empty';
  if (opening[0] === 0x80 && (opening[1] as number) <= 5)
    return 'it looks like a Python pickle, which nacue never reads';
  if (opening.toString('latin1').startsWith('PK')) return 'it looks like an .npz';
  return 'it does not begin with \\x93NUMPY';
}

function parseHeader(name: string, header: string): { type: ElementType; shape: number[] } {
  const fields = parsePythonLiteral(header);
  if (!(fields instanceof Map) || [...fields.keys()].sort().join() !== 'descr,fortran_order,shape')
    throw dataError(`'${name}' is damaged: its header is no dictionary of descr, fortran_order and shape`);
  const type = elementType(name, fields.get('descr'));
  const order = fields.get('fortran_order');
  if (typeof order !== 'boolean') throw dataError(`'${name}' is damaged: fortran_order is neither True nor False`);
  const shape = fields.get('shape');
  if (!Array.isArray(shape) || !shape.every((size) => typeof size === 'number'))
    throw dataError(`'${name}' is damaged: its shape is no tuple of numbers`);
  if (order && shape.filter((size) => size !== 1).length > 1)
    throw dataError(`'${name}' is in Fortran order; save it with numpy.ascontiguousarray(array)`);
  return { type, shape };
}

function elementType(name: string, descr: PythonLiteral | undefined): ElementType {
  const type = typeof descr === 'string' ? types.get(descr) : undefined;
  if (type) return type;
  const fix = 'save it with array.astype(numpy.float32)';
  if (Array.isArray(descr)) throw dataError(`'${name}' holds records, no numbers; choose one field and ${fix}`);
  if (typeof descr !== 'string') throw dataError(`'${name}' is damaged: it names no type of its elements`);
  if (/^\|?O/.test(descr)) throw dataError(`'${name}' holds pickled Python objects, which nacue never reads; ${fix}`);
  if (/^>[fiuc]/.test(descr)) throw dataError(`'${name}' is big-endian ('${descr}'); ${fix}`);
  throw dataError(`'${name}' has elements of type '${descr}'; float32, float64, float16 and uint8 are read: ${fix}`);
}
