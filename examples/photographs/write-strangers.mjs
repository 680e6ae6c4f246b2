/**
 * Writes images that the classifier has never seen as PNG files, for the command line: `node examples/photographs/write-strangers.mjs DIR`
 *
 * DIR/negatives: the photographs of test/ with their colours inverted; DIR/digits: MNIST digits; DIR/noise: uniform noise.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { countImages, loadDemoData } from '../demo/data.mjs';

const imagesPerSet = 40;
const noiseSide = 80;

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  process.stderr.write('Usage: node examples/photographs/write-strangers.mjs DIR\n');
  process.exit(2);
}

const { heldOut, outOfDistribution } = loadDemoData();
await writeSet('negatives', negatives());
await writeSet('digits', digits(heldOut));
await writeSet('noise', noise(outOfDistribution.noise));

/** @param {string} name @param {sharp.Sharp[]} images */
async function writeSet(name, images) {
  const target = path.join(folder, name);
  mkdirSync(target, { recursive: true });
  for (const [i, image] of images.entries()) {
    await image.png().toFile(path.join(target, `${String(i).padStart(2, '0')}.png`));
  }
  process.stdout.write(`${target}: ${images.length} images\n`);
}

function negatives() {
  const photographs = fileURLToPath(new URL('test', import.meta.url));
  const names = readdirSync(photographs, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.jpg'));
  return names.sort().map((name) => sharp(path.join(photographs, name)).negate());
}

/** Of each digit some: they lie in the order of their classes. @param {Float32Array} images */
function digits(images) {
  const step = Math.floor(countImages(images) / imagesPerSet);
  return Array.from({ length: imagesPerSet }, (_, i) => imageOf(images, i * step, 28, 1));
}

/** @param {Float32Array} values */
function noise(values) {
  return Array.from({ length: imagesPerSet }, (_, i) => imageOf(values, i, noiseSide, 3));
}

/** @param {Float32Array} values in [0, 1] @param {number} number @param {number} side @param {1 | 3} channels */
function imageOf(values, number, side, channels) {
  const size = side * side * channels;
  const pixels = Uint8Array.from(values.subarray(number * size, (number + 1) * size), (value) =>
    Math.round(255 * value),
  );
  return sharp(pixels, { raw: { width: side, height: side, channels } });
}
