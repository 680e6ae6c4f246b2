/** Thumbnails of samples: of an array that is a picture, of the image file behind it. */
import { NacueError } from '../errors.js';
import { encodePng, type Pixels } from './png.js';

/** Where the values of a picture lie: `values[c * channel + y * row + x * column]`. */
interface Raster {
  values: ArrayLike<number>;
  channels: 1 | 3;
  height: number;
  width: number;
  steps: { channel: number; row: number; column: number };
}

const mostPixels = 96;
const largestSide = 8192;

/** (1, H, W) and (3, H, W): what can be shown without knowing more. */
export function isPicture(shape: readonly number[]): boolean {
  const [channels, height, width] = shape as [number, number, number];
  const isSide = (side: number) => side >= 2 && side <= largestSide;
  return shape.length === 3 && (channels === 1 || channels === 3) && isSide(height) && isSide(width);
}

/** A sample (C, H, W) as the data URI of a PNG. */
export function pictureOfArray(values: Float32Array, shape: readonly number[]): string {
  const [channels, height, width] = shape as [1 | 3, number, number];
  const steps = { channel: height * width, row: width, column: 1 };
  return dataUri(shrink({ values, channels, height, width, steps }, byteScale(values)));
}

/** The image in a file; undefined for what cannot be decoded, also for want of `sharp`. */
export async function pictureOfFile(file: string): Promise<string | undefined> {
  const { decodeImage } = await import('../data/images/decode-image.js');
  try {
    const { data, shape } = await decodeImage(file);
    const [height, width] = shape as [number, number];
    const steps = { channel: 1, row: 3 * width, column: 3 };
    return dataUri(shrink({ values: data, channels: 3, height, width, steps }, Math.round));
  } catch (error) {
    if (error instanceof NacueError || (error as { code?: string }).code === 'ERR_NACUE_OUT_OF_RANGE') return undefined;
    throw error;
  }
}

function dataUri(pixels: Pixels): string {
  return `data:image/png;base64,${encodePng(pixels).toString('base64')}`;
}

/** Each pixel of the thumbnail is the mean of a block of the raster. */
function shrink(raster: Raster, toByte: (value: number) => number): Pixels {
  const { channels, height, width } = raster;
  const scale = Math.min(mostPixels / Math.max(height, width), 1);
  const rows = Math.max(Math.round(scale * height), 1);
  const columns = Math.max(Math.round(scale * width), 1);
  const data = new Uint8Array(rows * columns * channels);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      for (let c = 0; c < channels; c++) {
        const mean = blockMean(raster, c, blockOf(y, rows, height), blockOf(x, columns, width));
        data[(y * columns + x) * channels + c] = toByte(mean);
      }
    }
  }
  return { width: columns, height: rows, channels, data };
}

/** The lines [begin, end) of the raster that make one of the thumbnail. */
function blockOf(index: number, count: number, size: number): [number, number] {
  return [Math.floor((index * size) / count), Math.floor(((index + 1) * size) / count)];
}

function blockMean({ values, steps }: Raster, channel: number, rows: [number, number], cols: [number, number]): number {
  let sum = 0;
  for (let y = rows[0]; y < rows[1]; y++) {
    for (let x = cols[0]; x < cols[1]; x++) {
      sum += values[channel * steps.channel + y * steps.row + x * steps.column] as number;
    }
  }
  return sum / ((rows[1] - rows[0]) * (cols[1] - cols[0]));
}

/** Values in [0, 1] or [0, 255] are taken for brightness; others, such as normalised ones, from the sample's least to its largest. */
function byteScale(values: Float32Array): (value: number) => number {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low >= 0 && high <= 1) [low, high] = [0, 1];
  else if (low >= 0 && high <= 255) [low, high] = [0, 255];
  const range = high - low || 1;
  return (value) => Math.round((255 * (value - low)) / range);
}
