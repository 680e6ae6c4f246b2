/** Writes zip files for tests: right ones, and wrong ones on purpose. */
import zlib from 'node:zlib';

export interface ZipEntry {
  name: string;
  content: string | Buffer;
  /** Unix mode with the type of the file; default a plain file, rw-r--r--. */
  mode?: number;
  /** In place of the right one. */
  crc32?: number;
}

export const plainFile = 0o100000;
export const symbolicLink = 0o120777;

export function zip(entries: readonly ZipEntry[]): Buffer {
  const files: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const entry of entries) {
    const content = Buffer.from(entry.content);
    const packed = zlib.deflateRawSync(content);
    const name = Buffer.from(entry.name);
    const sizes = Buffer.alloc(26);
    sizes.writeUInt16LE(20, 0); // version needed
    sizes.writeUInt16LE(8, 4); // deflated
    sizes.writeUInt32LE(entry.crc32 ?? zlib.crc32(content), 10);
    sizes.writeUInt32LE(packed.length, 14);
    sizes.writeUInt32LE(content.length, 18);
    sizes.writeUInt16LE(name.length, 22);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(((entry.mode ?? plainFile | 0o644) << 16) >>> 0, 6);
    place.writeUInt32LE(offset, 10);
    const file = Buffer.concat([Buffer.from('PK\x03\x04'), sizes, name, packed]);
    files.push(file);
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x03', 'latin1'), sizes, place, name]));
    offset += file.length;
  }
  const listing = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(listing.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...files, listing, end]);
}
