/** Checks what a caller passes to {@link NACUE.create} and fills in the defaults. */
import type { NativeConfig } from './binding.js';
import { invalidType, outOfRange } from './errors.js';

/** How the sigmoid of a contribution is cut into bins. */
export type Binning = 'geometric' | 'uniform' | 'logit';

/** `'cpu'`, the first CUDA device, a numbered one, or whatever is best here (`'auto'` falls back to the CPU). */
export type Device = 'cpu' | 'cuda' | `cuda:${number}` | 'auto';

/** Options of {@link NACUE.create}. A list must have one value per layer, in the order of `layers`. */
export interface NACUEOptions {
  /** Dotted names of the modules whose outputs are watched, as `inspect()` lists them: `['layer3', 'avgpool']`. */
  layers: readonly string[];
  /** Bins per neuron, M: a whole number from 2 to 100,000. Default 50. */
  mBins?: number | readonly number[];
  /** Steepness of the sigmoid, alpha > 0. Default 100. The right value depends on the layer. */
  alpha?: number | readonly number[];
  /** Hits that make a bin fully covered, O*: a whole number > 0. Default 50. */
  oStar?: number | readonly number[];
  /** Default `'geometric'`, the reference's: bins dense near 0 and 1. */
  binning?: Binning;
  /** How a layer's output becomes (B, N). `'auto'`, the default: 2-D as it is, 4-D mean over height and width, else flattened. */
  featureReduce?: 'auto';
  /** Default `'cpu'`. */
  device?: Device;
  /** Threads LibTorch uses for one operation of this detector; a whole number > 0. Default: LibTorch's own choice. */
  numThreads?: number;
  /** Shape of one sample, without the batch. With it, the model is tried at once and bare `Float32Array` batches are accepted. */
  inputShape?: readonly number[];
  /** Which element of a tuple or dict output holds the logits. Default: the output itself if it is a tensor, else the first. */
  output?: number | string;
  /**
   * NaN or infinity in a batch, its logits or its contributions: `'error'`, the default, rejects and names the rows;
   * `'reference'` counts and scores them as pytorch-ood does (a NaN falls into the last bin).
   */
  nonFinite?: 'error' | 'reference';
  /** Aborts the loading: the promise rejects with `signal.reason`. */
  signal?: AbortSignal;
}

/** What one layer was created with. */
export interface LayerOptions {
  name: string;
  mBins: number;
  alpha: number;
  oStar: number;
}

const optionNames = new Set([
  'layers',
  'mBins',
  'alpha',
  'oStar',
  'binning',
  'featureReduce',
  'device',
  'numThreads',
  'inputShape',
  'output',
  'nonFinite',
  'signal',
]);
const maxBins = 100_000;

/**
 * Validates the options of a detector.
 *
 * @throws TypeError `ERR_NACUE_INVALID_ARG_TYPE`, RangeError `ERR_NACUE_OUT_OF_RANGE`
 */
export function parseOptions(options: NACUEOptions): NativeConfig {
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'an object', options);
  const unknown = Object.keys(options).find((name) => !optionNames.has(name));
  if (unknown !== undefined)
    throw outOfRange('options', `an object with the keys ${[...optionNames].join(', ')}`, unknown);
  const names = parseLayers(options.layers);
  const mBins = perLayer('mBins', options.mBins, 50, names.length, (name, value) =>
    wholeNumber(name, value, 2, maxBins),
  );
  const alpha = perLayer('alpha', options.alpha, 100, names.length, positive);
  const oStar = perLayer('oStar', options.oStar, 50, names.length, (name, value) => wholeNumber(name, value, 1));
  choice('featureReduce', options.featureReduce, ['auto'] as const, 'auto');
  return {
    layers: names.map((name, i) => ({
      name,
      mBins: mBins[i] as number,
      alpha: alpha[i] as number,
      oStar: oStar[i] as number,
    })),
    binning: choice('binning', options.binning, ['geometric', 'uniform', 'logit'] as const, 'geometric'),
    device: parseDevice('device', options.device ?? 'cpu'),
    numThreads: options.numThreads === undefined ? 0 : wholeNumber('numThreads', options.numThreads, 1, 1024),
    inputShape: options.inputShape === undefined ? null : parseSampleShape('inputShape', options.inputShape),
    output: parseOutput(options.output),
    rejectNonFinite: choice('nonFinite', options.nonFinite, ['error', 'reference'] as const, 'error') === 'error',
  };
}

/** A device name as {@link Device} describes it. */
export function parseDevice(name: string, value: unknown): Device {
  const expected = "'cpu', 'cuda', 'cuda:N' or 'auto'";
  if (typeof value !== 'string') throw invalidType(name, expected, value);
  if (!/^(cpu|auto|cuda|cuda:\d{1,3})$/.test(value)) throw outOfRange(name, expected, value);
  return value as Device;
}

/** The shape of one sample: whole numbers > 0. */
export function parseSampleShape(name: string, value: unknown): number[] {
  if (!Array.isArray(value)) throw invalidType(name, 'an array of numbers', value);
  if (value.length === 0) throw outOfRange(name, 'a shape with at least one dimension', value);
  return value.map((size, i) => wholeNumber(`${name}[${i}]`, size, 1));
}

/** Refuses what is given as `signal` and is none. */
export function checkSignal(value: unknown): asserts value is AbortSignal | undefined {
  if (value !== undefined && !(value instanceof AbortSignal)) throw invalidType('signal', 'an AbortSignal', value);
}

function parseLayers(value: unknown): string[] {
  if (!Array.isArray(value)) throw invalidType('layers', 'an array of module names', value);
  if (value.length === 0) throw outOfRange('layers', 'a list with at least one module name', value);
  const names = value.map((name: unknown, i) => {
    if (typeof name !== 'string') throw invalidType(`layers[${i}]`, 'a module name', name);
    return name;
  });
  const duplicate = names.find((name, i) => names.indexOf(name) !== i);
  if (duplicate !== undefined) throw outOfRange('layers', 'a list of different module names', names);
  return names;
}

function parseOutput(value: unknown): number | string | null {
  if (value === undefined) return null;
  if (typeof value === 'string') return value;
  return wholeNumber('output', value, 0, 'a whole number or the name of an element');
}

type Check = (name: string, value: unknown) => number;

function perLayer(name: string, value: unknown, standard: number, layers: number, check: Check): number[] {
  if (!Array.isArray(value)) return new Array<number>(layers).fill(check(name, value ?? standard));
  if (value.length !== layers) throw outOfRange(name, `one number, or one per layer (${layers})`, value);
  return value.map((item, i) => check(`${name}[${i}]`, item));
}

function wholeNumber(
  name: string,
  value: unknown,
  least: number,
  most: number | string = Number.MAX_SAFE_INTEGER,
): number {
  const limit = typeof most === 'number' ? most : Number.MAX_SAFE_INTEGER;
  const upTo = limit === Number.MAX_SAFE_INTEGER ? '' : ` and <= ${limit}`;
  const expected = typeof most === 'string' ? most : `a whole number >= ${least}${upTo}`;
  if (typeof value !== 'number') throw invalidType(name, expected, value);
  if (!Number.isSafeInteger(value) || value < least || value > limit) throw outOfRange(name, expected, value);
  return value;
}

function positive(name: string, value: unknown): number {
  const expected = 'a finite number > 0';
  if (typeof value !== 'number') throw invalidType(name, expected, value);
  if (!Number.isFinite(value) || value <= 0) throw outOfRange(name, expected, value);
  return value;
}

function choice<T extends string>(name: string, value: unknown, choices: readonly T[], standard: T): T {
  if (value === undefined) return standard;
  const expected = choices.map((item) => `'${item}'`).join(' or ');
  if (typeof value !== 'string') throw invalidType(name, expected, value);
  if (!choices.includes(value as T)) throw outOfRange(name, expected, value);
  return value as T;
}
