/**
 * Image files to pixels: 8-bit RGB, as Pillow's `convert('RGB')` gives them after `ImageOps.exif_transpose`; docs/images.md says where
 * the two differ.
 */
import { promises as fs } from 'node:fs';
import { promises as timers } from 'node:timers';
import { types } from 'node:util';
import type { Metadata, SharpOptions } from 'sharp';
import { invalidType, messageOf } from '../../errors.js';
import { copyBytes } from '../../model.js';
import { checkPath } from '../../option-checks.js';
import { dataError, readFailure } from '../data-error.js';
import { mostPixels } from './image-transform.js';
import { loadSharp, type Sharp } from './sharp.js';

/** Pixels row by row, red, green and blue of each in turn. */
export interface DecodedImage {
  data: Uint8Array;
  /** (H, W, 3) */
  shape: number[];
}

const mostBytes = 2 ** 29;

const settings: SharpOptions = {
  autoOrient: true,
  failOn: 'warning',
  ignoreIcc: true,
  limitInputPixels: mostPixels, // a few bytes can claim to be gigabytes of them
};

/** As sharp names them; not SVG, a drawing that may name other files. */
const formats: readonly string[] = ['avif', 'gif', 'heif', 'jpeg', 'png', 'tiff', 'webp'];
const colourSpaces: readonly string[] = ['b-w', 'cmyk', 'grey16', 'rgb', 'rgb16', 'srgb'];
const depths: readonly string[] = ['uchar', 'ushort'];

/**
 * Decodes a JPEG, PNG, WebP, GIF, TIFF or AVIF image, with the package `sharp`. Turned as its EXIF orientation says; grey becomes RGB, CMYK is
 * converted as Pillow does it, alpha is dropped, of 16 bits the upper eight are kept, a colour profile is ignored; the first frame or page
 * counts.
 *
 * @param image a path, or the bytes of a file
 * @throws NacueError `ERR_NACUE_DATA` when it is missing, damaged, no such image or larger than 178,956,970 pixels;
 * `ERR_NACUE_OPTIONAL_DEPENDENCY` without `sharp`; TypeError, RangeError for a wrong argument
 *
 * @example
 * const { data, shape } = await decodeImage('cat.jpg');
 */
export async function decodeImage(image: string | Uint8Array): Promise<DecodedImage> {
  if (types.isUint8Array(image)) return decode('the image', copyBytes(image));
  if (typeof image !== 'string') throw invalidType('image', 'a path or a Uint8Array', image);
  return decodeImageFile(checkPath('image', image));
}

export async function decodeImageFile(file: string): Promise<DecodedImage> {
  return decode(`'${file}'`, await bytesOf(file));
}

async function bytesOf(file: string): Promise<Uint8Array> {
  try {
    const stats = await fs.stat(file);
    if (!stats.isFile() && !stats.isDirectory()) throw dataError(`'${file}' is no file`); // a pipe would be waited for
    if (stats.size > mostBytes) throw dataError(`'${file}' has ${stats.size} bytes, too many for an image`);
    return await fs.readFile(file);
  } catch (error) {
    throw readFailure(file, error);
  }
}

async function decode(name: string, bytes: Uint8Array): Promise<DecodedImage> {
  if (bytes.length === 0) throw dataError(`${name} is empty`);
  return pixelsOf(await loadSharp(), name, bytes);
}

async function decoded<T>(name: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw dataError(`${name} cannot be decoded: ${decoderText(error)}`, error);
  }
}

function decoderText(error: unknown): string {
  const [first = ''] = messageOf(error).split('\n');
  if (first.startsWith('Warning treated as error')) return 'the decoder warned of damage';
  return first.replace(/^Input (buffer|file) /, 'it ').replace(/[: ]+$/, '');
}

async function pixelsOf(sharp: Sharp, name: string, bytes: Uint8Array): Promise<DecodedImage> {
  const metadata = await decoded(name, sharp(bytes, settings).metadata());
  checkKind(name, metadata);
  const image = sharp(bytes, settings);
  const isCmyk = metadata.space === 'cmyk';
  // Either way no colour is managed: 'cmyk' keeps the four channels as they are, and from grey or 16 bits 'srgb' only changes the type.
  const converted = isCmyk
    ? image.pipelineColourspace('cmyk').toColourspace('cmyk')
    : image.removeAlpha().toColourspace('srgb');
  const { data, info } = await decoded(name, converted.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true }));
  if (info.channels !== (isCmyk ? 4 : 3))
    throw dataError(`${name} has ${info.channels} channels: neither RGB nor grey`);
  const pixels = new Uint8Array(data.buffer, data.byteOffset, data.length);
  return { data: isCmyk ? await rgbOf(pixels) : pixels, shape: [info.height, info.width, 3] };
}

function checkKind(name: string, { format, space, depth, channels }: Metadata): void {
  if (!formats.includes(format)) throw dataError(`${name} is ${format.toUpperCase()}, which is not read as an image`);
  if (!colourSpaces.includes(space))
    throw dataError(`${name} has the colour space ${space}, neither RGB, grey nor CMYK`);
  if (!depths.includes(depth)) throw dataError(`${name} has samples of type ${depth}, neither 8 nor 16 bits`);
  if (space === 'cmyk' && (channels !== 4 || depth !== 'uchar'))
    throw dataError(`${name} is CMYK with ${channels} channels of type ${depth}; only 4 of 8 bits are read`);
}

const pixelsPerTurn = 2 ** 20;

/** Each colour is (255 - ink) (255 - black) / 255, in Pillow's arithmetic of whole numbers. */
async function rgbOf(cmyk: Uint8Array): Promise<Uint8Array> {
  const count = cmyk.length / 4;
  const rgb = new Uint8Array(count * 3);
  for (let begin = 0; begin < count; begin += pixelsPerTurn) {
    convertPixels(cmyk, rgb, begin, Math.min(begin + pixelsPerTurn, count));
    await timers.setImmediate(); // the event loop gets its turn
  }
  return rgb;
}

function convertPixels(cmyk: Uint8Array, rgb: Uint8Array, begin: number, end: number): void {
  for (let pixel = begin; pixel < end; pixel++) {
    const light = 255 - (cmyk[4 * pixel + 3] as number);
    for (let colour = 0; colour < 3; colour++) {
      const product = (cmyk[4 * pixel + colour] as number) * light + 128;
      rgb[3 * pixel + colour] = light - ((product + (product >> 8)) >> 8);
    }
  }
}
