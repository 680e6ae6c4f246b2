/** Writes small pictures as PNG: 8 bit, grey or RGB, no filter. */
import zlib from 'node:zlib';

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const grey = 0;
const rgb = 2;

export interface Pixels {
  width: number;
  height: number;
  channels: 1 | 3;
  /** (height, width, channels) */
  data: Uint8Array;
}

export function encodePng({ width, height, channels, data }: Pixels): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, channels === 1 ? grey : rgb, 0, 0, 0], 8);
  const stride = width * channels;
  const lines = Buffer.alloc(height * (stride + 1)); // each line begins with its filter, 0
  for (let y = 0; y < height; y++) lines.set(data.subarray(y * stride, (y + 1) * stride), y * (stride + 1) + 1);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', zlib.deflateSync(lines, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, content: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), content]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(content.length, 0);
  framed.set(body, 4);
  framed.writeUInt32BE(zlib.crc32(body), body.length + 4);
  return framed;
}
