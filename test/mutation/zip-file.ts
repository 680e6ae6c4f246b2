/** Takes a zip file apart and writes one from its members, with right sizes and checksums. No zip64, no descriptors. */
import { deflateRawSync, inflateRawSync } from 'node:zlib';

export interface Member {
  name: string;
  bytes: Buffer;
  deflated: boolean;
  /** Where its local header and its data lie in the file it was read from. */
  header: number;
  data: number;
  stored: number;
}

const endSize = 22;

/** Where the directory of a zip file begins. */
export function directoryOf(file: Buffer): number {
  return file.readUInt32LE(file.length - endSize + 16);
}

export function readZip(file: Buffer): Member[] {
  const members: Member[] = [];
  let at = directoryOf(file);
  for (let count = file.readUInt16LE(file.length - endSize + 10); count > 0; --count) {
    const [nameSize, extraSize] = [file.readUInt16LE(at + 28), file.readUInt16LE(at + 30)];
    const header = file.readUInt32LE(at + 42);
    const data = header + 30 + file.readUInt16LE(header + 26) + file.readUInt16LE(header + 28);
    const stored = file.readUInt32LE(at + 20);
    const deflated = file.readUInt16LE(at + 10) === 8;
    const packed = file.subarray(data, data + stored);
    members.push({
      name: file.toString('latin1', at + 46, at + 46 + nameSize),
      bytes: deflated ? inflateRawSync(packed) : Buffer.from(packed),
      deflated,
      header,
      data,
      stored,
    });
    at += 46 + nameSize + extraSize;
  }
  return members;
}

export function writeZip(members: Pick<Member, 'name' | 'bytes' | 'deflated'>[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, bytes, deflated } of members) {
    const packed = deflated ? deflateRawSync(bytes) : bytes;
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(deflated ? 8 : 0, 4);
    fields.writeUInt32LE(crc32(bytes), 10);
    fields.writeUInt32LE(packed.length, 14);
    fields.writeUInt32LE(bytes.length, 18);
    fields.writeUInt16LE(name.length, 22);
    const rest = Buffer.alloc(14); // comment size, disk, attributes, offset
    rest.writeUInt32LE(offset, 10);
    const text = Buffer.from(name, 'latin1');
    directory.push(Buffer.from('PK\x01\x02\x14\x00', 'latin1'), fields, rest, text);
    const member = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), fields, text, packed]);
    parts.push(member);
    offset += member.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = Buffer.alloc(endSize);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(members.length, 8);
  end.writeUInt16LE(members.length, 10);
  end.writeUInt32LE(size, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, ...directory, end]);
}

/** zlib.crc32 is not in every Node 20. */
function crc32(bytes: Buffer): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; ++bit) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
