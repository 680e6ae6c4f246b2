/** A library that says only which other one it needs. */

const headerSize = 64;
const programHeaderSize = 56;
const tags = { strings: 5n, needed: 1n, stringsSize: 10n, end: 0n };
const segments = { load: 1, dynamic: 2 };
const machines: Partial<Record<NodeJS.Architecture, number>> = { x64: 62, arm64: 183 };

export function withNeeded(soname: string): Buffer {
  const strings = Buffer.from(`\0${soname}\0`);
  const dynamicAt = headerSize + 2 * programHeaderSize;
  const entries = [tags.needed, 1n, tags.strings, 0n, tags.stringsSize, BigInt(strings.length), tags.end, 0n];
  const stringsAt = dynamicAt + 8 * entries.length;
  entries[3] = BigInt(stringsAt);
  const size = stringsAt + strings.length;
  const header = Buffer.alloc(headerSize);
  header.write('\x7fELF\x02\x01\x01', 'latin1');
  header.writeUInt16LE(3, 16); // a shared library
  header.writeUInt16LE(machines[process.arch] ?? 0, 18);
  header.writeBigUInt64LE(BigInt(headerSize), 32);
  header.writeUInt16LE(programHeaderSize, 54);
  header.writeUInt16LE(2, 56);
  const dynamic = Buffer.alloc(8 * entries.length);
  entries.forEach((value, i) => {
    dynamic.writeBigUInt64LE(value, 8 * i);
  });
  const headers = [
    header,
    programHeader(segments.load, 0, size),
    programHeader(segments.dynamic, dynamicAt, dynamic.length),
  ];
  return Buffer.concat([...headers, dynamic, strings]);
}

/** Addresses are places in the file. */
function programHeader(type: number, offset: number, size: number): Buffer {
  const header = Buffer.alloc(programHeaderSize);
  header.writeUInt32LE(type, 0);
  for (const field of [8, 16]) header.writeBigUInt64LE(BigInt(offset), field);
  for (const field of [32, 40]) header.writeBigUInt64LE(BigInt(size), field);
  return header;
}
