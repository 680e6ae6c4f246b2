/** Image files made for a test, whole and broken. */
import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';

export interface Pixels {
  data: Uint8Array;
  /** (H, W, C) */
  shape: number[];
}

/** Pixels without a pattern, the same each time. */
export function somePixels(height: number, width: number, channels = 3): Pixels {
  let state = height * 65_537 + width * 257 + channels;
  const data = Uint8Array.from({ length: height * width * channels }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state >>> 24;
  });
  return { data, shape: [height, width, channels] };
}

/** For `sharp`. */
export function rawImage({ data, shape: [height, width, channels] }: Pixels) {
  const raw = { width: width as number, height: height as number, channels: channels as 1 | 2 | 3 | 4 };
  return sharp(data, { raw });
}

export async function pngOf(pixels: Pixels): Promise<Buffer> {
  return rawImage(pixels).png().toBuffer();
}

export interface BrokenFile {
  name: string;
  bytes: Uint8Array;
}

/** More than fifty ways in which a file can fail to be an image. */
export async function brokenFiles(): Promise<BrokenFile[]> {
  const image = () => rawImage(somePixels(40, 50));
  const whole = {
    'baseline.jpg': await image().jpeg().toBuffer(),
    'progressive.jpg': await image().jpeg({ progressive: true }).toBuffer(),
    'rgb.png': await image().png().toBuffer(),
    'palette.png': await image().png({ palette: true }).toBuffer(),
    'lossy.webp': await image().webp().toBuffer(),
    'lossless.webp': await image().webp({ lossless: true }).toBuffer(),
    'image.gif': await image().gif().toBuffer(),
    'lzw.tif': await image().tiff({ compression: 'lzw' }).toBuffer(),
    'image.avif': await image().avif().toBuffer(),
  };
  const damaged = Object.entries(whole).flatMap(([name, bytes]) =>
    Object.entries(damages).map(([damage, apply]) => ({ name: `${damage}-${name}`, bytes: apply(bytes) })),
  );
  return [...damaged, ...strangers(whole['rgb.png'])];
}

const damages: Record<string, (bytes: Buffer) => Uint8Array> = {
  'first-bytes': (bytes) => bytes.subarray(0, 7),
  'header-cut': (bytes) => bytes.subarray(0, 20),
  'cut-early': (bytes) => bytes.subarray(0, bytes.length >> 2),
  'cut-half': (bytes) => bytes.subarray(0, bytes.length >> 1),
  'wrong-magic': (bytes) => Buffer.concat([Buffer.from('nothing here'), bytes.subarray(12)]),
};

function strangers(png: Buffer): BrokenFile[] {
  const flipped = Buffer.from(png);
  const middle = png.length >> 1;
  flipped[middle] = (flipped[middle] as number) ^ 0xff;
  const zeros = Buffer.from(png).fill(0, middle);
  const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>';
  return [
    { name: 'empty.png', bytes: new Uint8Array() },
    { name: 'one-byte.png', bytes: Uint8Array.of(0x89) },
    { name: 'zeros.jpg', bytes: new Uint8Array(4096) },
    { name: 'text.jpg', bytes: Buffer.from('this is a text\n'.repeat(50)) },
    { name: 'page.png', bytes: Buffer.from('<!doctype html><p>404') },
    { name: 'drawing.png', bytes: Buffer.from(svg) },
    { name: 'noise.webp', bytes: somePixels(60, 60).data },
    { name: 'flipped.png', bytes: flipped },
    { name: 'half-zero.png', bytes: zeros },
    { name: 'huge.png', bytes: pngThatClaims(60_000, 60_000) },
    { name: 'no-pixels.png', bytes: pngThatClaims(0, 10) },
    { name: 'endless.png', bytes: pngThatClaims(2 ** 31 - 1, 2 ** 31 - 1) },
    { name: 'bitmap.bmp', bytes: Buffer.concat([Buffer.from('BM'), new Uint8Array(200)]) },
  ];
}

/** A PNG whose header promises more than there is. */
function pngThatClaims(width: number, height: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const ends = Buffer.alloc(8);
    ends.writeUInt32BE(data.length, 0);
    ends.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
  };
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(new Uint8Array(100))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}
