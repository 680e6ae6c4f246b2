/** How pixels become the input of a classifier: what a user may give, and what the native side takes. */
import { readFileSync } from 'node:fs';
import type { NativeImageTransform } from '../../addon/binding.js';
import { invalidType, messageOf, outOfRange } from '../../errors.js';
import { checkBoolean, checkKeys, choice, wholeNumber } from '../../option-checks.js';
import { dataError, readFailure } from '../data-error.js';

/**
 * The steps of torchvision's presets, in their order; one that is not given is left out. Values always become float32 in [0, 1] before
 * `mean` and `std`.
 */
export interface ImageTransform {
  /** Of the shorter side, or (height, width). */
  resize?: number | readonly number[];
  /** The square from the centre, or (height, width); what an image lacks is black. */
  crop?: number | readonly number[];
  /** Per channel; subtracted. */
  mean?: readonly number[];
  /** Per channel; divides. Given together with `mean`. */
  std?: readonly number[];
  /** Default `'bilinear'`. */
  interpolation?: 'nearest' | 'nearest-exact' | 'bilinear' | 'bicubic';
  /** Of bilinear and bicubic, default true. */
  antialias?: boolean;
}

const imagenet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;
const channels = 3;
const mostPixelsOfASide = 2 ** 15;
/** Of any image, read or made: where Pillow refuses to read one. */
export const mostPixels = 178_956_970;

/** What a transform may be, for texts. */
export const transformForms =
  "'imagenet', 'imagenet:RESIZE/CROP', 'scale:HEIGHT,WIDTH', 'none' or the path of a JSON file";

/**
 * @throws TypeError, RangeError for what is no transform; NacueError `ERR_NACUE_DATA` for a file that is none
 */
export function parseImageTransform(transform: unknown): NativeImageTransform {
  if (typeof transform === 'string') return transform.endsWith('.json') ? fromFile(transform) : fromName(transform);
  return checkedTransform(transform as ImageTransform);
}

/** (3, h, w) where all images get the same, else undefined. */
export function transformedShape({ resize, crop }: NativeImageTransform): number[] | undefined {
  const size = crop.length > 0 ? crop : resize;
  return size.length === 2 ? [channels, ...size] : undefined;
}

function fromName(name: string): NativeImageTransform {
  const [, resize = '256', crop = '224'] = /^imagenet(?::(\d+)\/(\d+))?$/.exec(name) ?? [undefined, ''];
  if (resize !== '') return checkedTransform({ resize: Number(resize), crop: Number(crop), ...imagenet });
  const scale = /^scale:(\d+),(\d+)$/.exec(name);
  if (scale) return checkedTransform({ resize: [Number(scale[1]), Number(scale[2])] });
  if (name === 'none') return checkedTransform({});
  throw outOfRange('transform', transformForms, name);
}

function fromFile(file: string): NativeImageTransform {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw readFailure(file, error);
  }
  try {
    return checkedTransform(JSON.parse(text) as ImageTransform);
  } catch (error) {
    throw dataError(`the transform in '${file}' cannot be used: ${messageOf(error)}`, error);
  }
}

function checkedTransform(transform: ImageTransform): NativeImageTransform {
  const { resize, crop, mean, std, interpolation, antialias } = checkKeys('transform', transform, [
    'resize',
    'crop',
    'mean',
    'std',
    'interpolation',
    'antialias',
  ]);
  if ((mean === undefined) !== (std === undefined)) throw outOfRange('transform', 'one with both mean and std', 'one');
  checkBoolean('transform.antialias', antialias);
  const cropped = sizes('transform.crop', crop);
  return {
    resize: checkPixels('transform.resize', sizes('transform.resize', resize)),
    crop: checkPixels('transform.crop', cropped.length === 1 ? [...cropped, ...cropped] : cropped),
    mean: perChannel('transform.mean', mean, Number.NEGATIVE_INFINITY),
    std: perChannel('transform.std', std, 0),
    interpolation: choice(
      'transform.interpolation',
      interpolation,
      ['nearest', 'nearest-exact', 'bilinear', 'bicubic'],
      'bilinear',
    ),
    antialias: antialias ?? true,
  };
}

/** One number, or height and width. */
function sizes(name: string, value: unknown): number[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) return [wholeNumber(name, value, 1, mostPixelsOfASide)];
  if (value.length < 1 || value.length > 2) throw outOfRange(name, 'one number, or height and width', value);
  return Array.from(value as unknown[], (size, i) => wholeNumber(`${name}[${i}]`, size, 1, mostPixelsOfASide));
}

function checkPixels(name: string, sides: number[]): number[] {
  const [height = 1, width = 1] = sides;
  if (height * width > mostPixels) throw outOfRange(name, `of at most ${mostPixels} pixels`, sides);
  return sides;
}

function perChannel(name: string, value: unknown, above: number): number[] {
  if (value === undefined) return [];
  const expected = `${channels} finite numbers${above === 0 ? ' > 0' : ''}`;
  if (!Array.isArray(value)) throw invalidType(name, expected, value);
  const numbers: unknown[] = Array.from(value);
  const fits = numbers.every((number) => typeof number === 'number' && Number.isFinite(number) && number > above);
  if (numbers.length !== channels || !fits) throw outOfRange(name, expected, value);
  return numbers as number[];
}
