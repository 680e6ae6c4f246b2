/** Files of arrays for the tests of what reads them. */
import fs from 'node:fs';
import { crc32 } from 'node:zlib';

/** A .npy file as numpy.lib.format writes it, with any `descr` and shape. */
export function npyBytes(shape: readonly number[], elements: Uint8Array | Float32Array, descr = '<f4'): Buffer {
  const tuple = `(${shape.join(', ')}${shape.length === 1 ? ',' : ''})`;
  return npyWithHeader(`{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }`, elements);
}

/** One with any text as its header. */
export function npyWithHeader(text: string, elements: Uint8Array | Float32Array = new Uint8Array(0)): Buffer {
  const header = Buffer.from(`${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`);
  const opening = Buffer.from('\x93NUMPY\x01\0\0\0', 'latin1');
  opening.writeUInt16LE(header.length, 8);
  return Buffer.concat([
    opening,
    header,
    Buffer.from(elements.buffer as ArrayBuffer, elements.byteOffset, elements.byteLength),
  ]);
}

/** `count` rows of `size` values each; value v of row r is r + v / 100. */
export function numberedRows(count: number, size: number, first = 0): Float32Array {
  return Float32Array.from({ length: count * size }, (_, i) => first + Math.floor(i / size) + (i % size) / 100);
}

/** A safetensors file with any header. */
export function safetensorsBytes(header: unknown, data: Uint8Array): Buffer {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([prefix, text, data]);
}

/** A zip archive of one member whose sizes and place stand in zip64 fields, as in archives above 4 GiB. */
export function zip64Bytes(name: string, content: Buffer): Buffer {
  const local = Buffer.alloc(30);
  local.writeUInt32LE(0x04034b50, 0);
  local.writeUInt16LE(45, 4);
  local.writeUInt32LE(crc32(content), 14);
  local.fill(0xff, 18, 26);
  local.writeUInt16LE(name.length, 26);
  const sizes = zip64Field(content.length, content.length);
  local.writeUInt16LE(sizes.length, 28);
  const start = Buffer.concat([local, Buffer.from(name), sizes, content]);

  const places = zip64Field(content.length, content.length, 0);
  const central = Buffer.alloc(46);
  central.writeUInt32LE(0x02014b50, 0);
  central.writeUInt16LE(45, 4);
  central.writeUInt16LE(45, 6);
  central.writeUInt32LE(crc32(content), 16);
  central.fill(0xff, 20, 28);
  central.writeUInt16LE(name.length, 28);
  central.writeUInt16LE(places.length, 30);
  central.fill(0xff, 42, 46);
  const directory = Buffer.concat([central, Buffer.from(name), places]);
  return Buffer.concat([start, directory, zip64End(start.length, directory.length)]);
}

function zip64Field(...values: number[]): Buffer {
  const field = Buffer.alloc(4 + 8 * values.length);
  field.writeUInt16LE(1, 0);
  field.writeUInt16LE(8 * values.length, 2);
  for (const [i, value] of values.entries()) field.writeBigUInt64LE(BigInt(value), 4 + 8 * i);
  return field;
}

function zip64End(directoryStart: number, directoryBytes: number): Buffer {
  const record = Buffer.alloc(56);
  record.writeUInt32LE(0x06064b50, 0);
  record.writeBigUInt64LE(44n, 4);
  record.writeUInt16LE(45, 12);
  record.writeUInt16LE(45, 14);
  record.writeBigUInt64LE(1n, 24);
  record.writeBigUInt64LE(1n, 32);
  record.writeBigUInt64LE(BigInt(directoryBytes), 40);
  record.writeBigUInt64LE(BigInt(directoryStart), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(directoryStart + directoryBytes), 8);
  locator.writeUInt32LE(1, 16);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.fill(0xff, 8, 20);
  return Buffer.concat([record, locator, end]);
}

/** A .npy of zeros that takes no room on the disk, its last row `value`s. */
export function writeSparseNpy(file: string, shape: readonly number[], value: number): void {
  const [count, ...sample] = shape as [number, ...number[]];
  const elements = sample.reduce((product, size) => product * size, 1);
  const header = npyBytes(shape, new Uint8Array(0));
  const descriptor = fs.openSync(file, 'w');
  try {
    fs.writeSync(descriptor, header);
    fs.writeSync(
      descriptor,
      new Float32Array(elements).fill(value),
      0,
      elements * 4,
      header.length + (count - 1) * elements * 4,
    );
  } finally {
    fs.closeSync(descriptor);
  }
}
