/**
 * safetensors: 8 bytes with the length of the header, little-endian; the header, JSON with type, shape and place of each tensor; the
 * tensors, which fill the rest of the file.
 */
import type { ByteSource } from '../byte-source.js';
import { dataError } from '../data-error.js';
import { checkExtent, type StoredArray } from './array-source.js';
import { chooseArray } from './choose-array.js';
import { bfloat16, type ElementType, float16, float32, float64, uint8 } from './element-types.js';

/** The limit of the format's own library. */
const longestHeader = 100_000_000;

const types: ReadonlyMap<string, ElementType> = new Map([
  ['F32', float32],
  ['F64', float64],
  ['F16', float16],
  ['BF16', bfloat16],
  ['U8', uint8],
]);

interface TensorEntry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** Finds the tensor called `name`, or the only one. */
export async function readSafetensors(
  source: ByteSource & { size: number },
  name: string | undefined,
): Promise<StoredArray> {
  const { tensors, start } = await readHeader(source);
  checkEnd(source, start, tensors);
  const chosen = chooseArray(source.name, [...tensors.keys()], name);
  const {
    dtype,
    shape,
    data_offsets: [from, to],
  } = tensors.get(chosen) as TensorEntry;
  const type = types.get(dtype);
  if (!type)
    throw dataError(`'${source.name}': tensor '${chosen}' has type ${dtype}; F32, F64, F16, BF16 and U8 are read`);
  return checkExtent({ source, start: start + from, type, shape }, start + to);
}

async function readHeader(source: ByteSource & { size: number }) {
  const reader = await source.open();
  try {
    const prefix = Buffer.alloc(8);
    if ((await reader.read(prefix, 0)) < prefix.length)
      throw dataError(`'${source.name}' is truncated: a safetensors file has at least 8 bytes`);
    const length = prefix.readBigUInt64LE();
    if (length > Math.min(longestHeader, source.size - prefix.length))
      throw dataError(
        `'${source.name}' is truncated or no safetensors file: it claims a header of ${length} bytes and has ${source.size}`,
      );
    const header = Buffer.alloc(Number(length));
    if ((await reader.read(header, prefix.length)) < header.length)
      throw dataError(`'${source.name}' is truncated: it ends in its header`);
    return { tensors: parseHeader(source.name, header), start: prefix.length + header.length };
  } finally {
    await reader.close();
  }
}

function parseHeader(name: string, header: Buffer): Map<string, TensorEntry> {
  const entries = Object.entries(parseObject(name, header)).filter(([key]) => key !== '__metadata__');
  const wrong = entries.find(([, value]) => !isTensorEntry(value));
  if (wrong) throw dataError(`'${name}' is damaged: its entry for '${wrong[0]}' has no dtype, shape and data_offsets`);
  return new Map(entries as [string, TensorEntry][]);
}

function parseObject(name: string, header: Buffer): object {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(header));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch (error) {
    throw dataError(`'${name}' is damaged or no safetensors file: its header is no JSON`, error);
  }
  throw dataError(`'${name}' is damaged or no safetensors file: its header is no JSON object`);
}

function isTensorEntry(value: unknown): value is TensorEntry {
  if (typeof value !== 'object' || value === null) return false;
  const { dtype, shape, data_offsets: offsets } = value as Partial<TensorEntry>;
  return typeof dtype === 'string' && areSizes(shape) && areSizes(offsets) && offsets.length === 2;
}

function areSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function checkEnd(
  { name, size }: ByteSource & { size: number },
  start: number,
  tensors: Map<string, TensorEntry>,
): void {
  const places = [...tensors.values()].map(({ data_offsets }) => data_offsets).sort(([a], [b]) => a - b);
  let end = 0;
  for (const [from, to] of places) {
    if (from !== end || to < from) throw dataError(`'${name}' is damaged: its tensors overlap or leave gaps`);
    end = to;
  }
  if (start + end > size)
    throw dataError(`'${name}' is truncated: it should have ${start + end} bytes and has ${size}`);
  if (start + end < size) throw dataError(`'${name}' has ${size - start - end} bytes too many after its tensors`);
}
