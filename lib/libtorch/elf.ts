/** Reads what a shared library says of itself, without opening it: ELF header and dynamic section (System V ABI, chapters 4 and 5). */
import fs from 'node:fs';
import path from 'node:path';

/** An ELF file. */
export interface Elf {
  bits: 32 | 64;
  /** e_machine; see {@link machineOf}. */
  machine: number;
  /** The bytes that its segments take: a shorter file has been cut. */
  size: number;
  /** The libraries it needs, by soname (DT_NEEDED); empty for other kinds of ELF than this process's own. */
  needed: string[];
  /** Where the dynamic linker looks for them first (DT_RPATH, DT_RUNPATH), `$ORIGIN` resolved. */
  searchPath: string[];
}

const headerSize = 64;
const programHeaderSize = 56;
const dynamicEntrySize = 16;
const segment = { load: 1, dynamic: 2 };
const tag = { end: 0, needed: 1, strings: 5, stringsSize: 10, rpath: 15, runpath: 29 };
// A real dynamic section has some dozen entries and its strings some MB; more than this is damage.
const mostBytes = 2 ** 26;

const machines: Record<number, string> = { 3: 'x86', 40: 'ARM', 62: 'x64', 183: 'arm64' };

/** The architecture's name as in `process.arch`, or its ELF number. */
export function machineOf(elf: Elf): string {
  return machines[elf.machine] ?? `machine ${elf.machine}`;
}

/** Null when the file is no ELF file or its headers lie outside of it. */
export function readElf(file: string): Elf | null {
  const descriptor = fs.openSync(file, 'r');
  try {
    return parse(path.dirname(file), (offset, size) => {
      if (!Number.isSafeInteger(offset)) return Buffer.alloc(0);
      const bytes = Buffer.alloc(Math.min(size, mostBytes));
      return bytes.subarray(0, fs.readSync(descriptor, bytes, 0, bytes.length, offset));
    });
  } finally {
    fs.closeSync(descriptor);
  }
}

type Read = (offset: number, size: number) => Buffer;

function parse(origin: string, read: Read): Elf | null {
  const header = read(0, headerSize);
  if (header.length < 20 || header.toString('latin1', 0, 4) !== '\x7fELF') return null;
  const bits = header[4] === 1 ? 32 : 64;
  const isLittleEndian = header[5] === 1;
  const elf = { bits, machine: isLittleEndian ? header.readUInt16LE(18) : header.readUInt16BE(18) } as const;
  if (bits === 32 || !isLittleEndian) return { ...elf, size: 0, needed: [], searchPath: [] };
  if (header.length < headerSize) return null;
  const segments = segmentsOf(header, read);
  if (!segments) return null;
  const size = Math.max(0, ...segments.map((part) => part.fileOffset + part.fileSize));
  // Of a file that was cut, the dynamic section may be what is missing.
  const dynamic = dynamicSection(segments, read) ?? { entries: [], strings: Buffer.alloc(0) };
  return { ...elf, size, ...namesIn(dynamic, origin) };
}

interface Dynamic {
  entries: [tag: number, value: number][];
  strings: Buffer;
}

interface Segment {
  type: number;
  fileOffset: number;
  address: number;
  fileSize: number;
}

function segmentsOf(header: Buffer, read: Read): Segment[] | null {
  const offset = Number(header.readBigUInt64LE(32));
  const count = header.readUInt16LE(56);
  const table = read(offset, count * programHeaderSize);
  if (table.length < count * programHeaderSize) return null;
  return Array.from({ length: count }, (_, i) => {
    const at = i * programHeaderSize;
    const [fileOffset = 0, address = 0, fileSize = 0] = [8, 16, 32].map((field) =>
      Number(table.readBigUInt64LE(at + field)),
    );
    return { type: table.readUInt32LE(at), fileOffset, address, fileSize };
  });
}

function dynamicSection(segments: readonly Segment[], read: Read): Dynamic | null {
  const dynamic = segments.find(({ type }) => type === segment.dynamic);
  if (!dynamic) return { entries: [], strings: Buffer.alloc(0) };
  const entries = entriesOf(read(dynamic.fileOffset, dynamic.fileSize));
  const value = (wanted: number) => entries.find(([name]) => name === wanted)?.[1];
  const address = value(tag.strings) ?? 0;
  // The dynamic section knows addresses in memory; the segment that holds them knows where they are in the file.
  const holder = segments.find(
    ({ type, address: begin, fileSize }) => type === segment.load && begin <= address && address < begin + fileSize,
  );
  if (!holder) return null;
  return { entries, strings: read(address - holder.address + holder.fileOffset, value(tag.stringsSize) ?? 0) };
}

function entriesOf(section: Buffer): [number, number][] {
  const entries: [number, number][] = [];
  for (let at = 0; at + dynamicEntrySize <= section.length; at += dynamicEntrySize) {
    const name = Number(section.readBigUInt64LE(at));
    if (name === tag.end) break;
    entries.push([name, Number(section.readBigUInt64LE(at + 8))]);
  }
  return entries;
}

function namesIn({ entries, strings }: Dynamic, origin: string): Pick<Elf, 'needed' | 'searchPath'> {
  const text = (at: number) => strings.toString('utf8', at, Math.max(at, strings.indexOf(0, at)));
  const all = (...tags: number[]) => entries.filter(([name]) => tags.includes(name)).map(([, at]) => text(at));
  const searchPath = all(tag.rpath, tag.runpath).flatMap((list) => list.split(':'));
  return {
    needed: all(tag.needed),
    searchPath: searchPath.map((dir) => path.resolve(dir.replace(/\$ORIGIN|\$\{ORIGIN\}/g, origin))),
  };
}
