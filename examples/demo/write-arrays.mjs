/**
 * Writes the demo's images as NumPy files, (N, 1, 28, 28) float32, for the command line: `node examples/demo/write-arrays.mjs DIR`
 *
 * The held-out digits are two files: one to calibrate with, one to evaluate with.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { countImages, imageShape, loadDemoData } from './data.mjs';

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  process.stderr.write('Usage: node examples/demo/write-arrays.mjs DIR\n');
  process.exit(2);
}

const { fit, heldOut, outOfDistribution } = loadDemoData();
const files = { fit, calibrate: everySecond(heldOut, 0), test: everySecond(heldOut, 1), ...outOfDistribution };
mkdirSync(folder, { recursive: true });
for (const [name, images] of Object.entries(files)) {
  const file = path.join(folder, `${name}.npy`);
  writeFileSync(file, npyBytes(images));
  process.stdout.write(`${file}: ${countImages(images)} images\n`);
}

/** @param {Float32Array} images @param {0 | 1} first */
function everySecond(images, first) {
  const pixels = images.length / countImages(images);
  return images.filter((_, i) => Math.floor(i / pixels) % 2 === first);
}

/**
 * Format 1.0 of numpy.lib.format.
 *
 * @param {Float32Array} images
 */
function npyBytes(images) {
  const length = 128;
  const shape = [countImages(images), ...imageShape].join(', ');
  const header = Buffer.alloc(length, ' ');
  header.write('\x93NUMPY\x01\x00', 'latin1');
  header.writeUInt16LE(length - 10, 8);
  header.write(`{'descr': '<f4', 'fortran_order': False, 'shape': (${shape}), }`, 10);
  header.write('\n', length - 1);
  return Buffer.concat([header, Buffer.from(images.buffer, images.byteOffset, images.byteLength)]);
}
