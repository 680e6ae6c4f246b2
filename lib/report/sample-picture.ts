/** Thumbnails of samples: of an array that is a picture. */
import { encodePng, type Pixels } from './png.js';

const mostPixels = 64;
const largestSide = 8192;

/** (H, W) of one channel or (3, H, W): what can be shown without knowing more. */
export function isPicture(shape: readonly number[]): boolean {
  const [channels, height, width] = shape as [number, number, number];
  const isSide = (side: number) => side >= 2 && side <= largestSide;
  return shape.length === 3 && (channels === 1 || channels === 3) && isSide(height) && isSide(width);
}

/** A sample (C, H, W) as the data URI of a PNG of at most 64 x 64 pixels. */
export function pictureOfArray(values: Float32Array, shape: readonly number[]): string {
  return `data:image/png;base64,${encodePng(shrink(values, shape)).toString('base64')}`;
}

function shrink(values: Float32Array, shape: readonly number[]): Pixels {
  const [channels, rows, columns] = shape as [1 | 3, number, number];
  const height = Math.min(rows, Math.max(Math.round((mostPixels * rows) / Math.max(rows, columns)), 1));
  const width = Math.min(columns, Math.max(Math.round((mostPixels * columns) / Math.max(rows, columns)), 1));
  const toByte = byteScale(values);
  const data = new Uint8Array(height * width * channels);
  for (let c = 0; c < channels; c++) {
    const plane = values.subarray(c * rows * columns, (c + 1) * rows * columns);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        data[(y * width + x) * channels + c] = toByte(
          blockMean(plane, columns, blockOf(y, height, rows), blockOf(x, width, columns)),
        );
      }
    }
  }
  return { width, height, channels, data };
}

/** The source lines [begin, end) of a line of the thumbnail. */
function blockOf(index: number, count: number, size: number): [number, number] {
  return [Math.floor((index * size) / count), Math.floor(((index + 1) * size) / count)];
}

function blockMean(plane: Float32Array, columns: number, rows: [number, number], cols: [number, number]): number {
  let sum = 0;
  for (let y = rows[0]; y < rows[1]; y++) {
    for (let x = cols[0]; x < cols[1]; x++) sum += plane[y * columns + x] as number;
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
