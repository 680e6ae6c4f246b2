/** Checks what a caller passes to {@link NACUE.create} and fills in the defaults. */
import type { NativeConfig } from './addon/binding.js';
import { invalidType, outOfRange } from './errors.js';
import { type ExecutionOptions, parseExecution } from './execution-options.js';
import { checkKeys, choice, perLayer, positive, wholeNumber } from './option-checks.js';

/**
 * Whose numbers. `'pytorch-ood'`: `pytorch_ood.detector.NACUE` 0.4.0, bit for bit. `'openood'`: the code that the paper's authors
 * measured (BierOne/ood_coverage): log-softmax loss, z and its gradient are pooled before the product, by sums, with bins dense
 * near 0.5, and the layers are averaged.
 */
export type Preset = 'pytorch-ood' | 'openood';

/**
 * How the sigmoid of a contribution is cut into M bins.
 *
 * `'geometric'`: dense near 0 and 1, in equal ratios from 1e-6 to 0.5 and mirrored (pytorch-ood's `_bin_indices_geometric`);
 * `'uniform'`: equal widths (`_bin_indices`); `'logit'`: equal widths on the logit from -10 to 10 (`_bin_indices_logit`);
 * `'openood'`: dense near 0.5, edges log_1000 apart (ood_coverage's `logspace(1e3, M)`), M even, its last two bins stay empty.
 */
export type Binning = 'geometric' | 'uniform' | 'logit' | 'openood';

/** Whether a score adds the coverages of the layers up or averages them. */
export type Aggregation = 'sum' | 'mean';

/**
 * How a layer's (B, ...) becomes (B, N). Applied to z * gradient with preset `'pytorch-ood'`, to both of them before the product
 * with `'openood'`.
 *
 * | name | (B, C, ...) to (B, N) |
 * |---|---|
 * | `auto` | the reference's, see below |
 * | `mean`, `sum`, `max-abs` | mean, sum, largest absolute value over dimensions from 2 on |
 * | `flatten` | every element is a neuron |
 * | `first-token` | (B, T, C): token 0, the class token |
 * | `mean-tokens` | (B, T, C): mean over the tokens |
 * | `channels-last` | (B, ..., C): over all dimensions between; the mean, the sum with `'openood'` |
 *
 * 2-D outputs are taken as they are by all but the token ones. `auto` takes in pytorch-ood the mean of a 4-D output over dimensions 2
 * and 3, and flattens others; in openood it sums over dimensions from 2 on, and a 3-D output (tokens) over dimension 1, but takes the
 * first token of a layer that ends in `encoder.ln`, ViT's final norm. Anything with a `/` or a `.` is the path of a TorchScript module
 * that takes (B, ...) and returns (B, N).
 */
export type FeatureReduce = (typeof reduceNames)[number] | (string & {});

/** `'cpu'`, the first CUDA device, a numbered one, or whatever is best here (`'auto'` falls back to the CPU). */
export type Device = 'cpu' | 'cuda' | `cuda:${number}` | 'auto';

/** Where the native part lies. */
export interface BindingOptions {
  /**
   * A folder with nacue's binaries (a copy of the package's `prebuilds/`), or a `nacue.node` with `nacue_loader.node` beside it. For bundles, in
   * which the package has no folder of its own. It counts for the whole process: the first use of the native part decides, and another
   * one later is a RangeError. Default: `NACUE_PREBUILD`, else the package's own `build/`, else its `prebuilds/`.
   */
  nativeBinding?: string;
}

/** Options of {@link NACUE.create}. A list must have one value per layer, in the order of `layers`. */
export interface NACUEOptions extends BindingOptions, ExecutionOptions {
  /**
   * Dotted names of the modules whose outputs are watched, as `inspect()` lists them: `['layer3', 'avgpool']`. `block#2` is the second
   * call of a module that runs more than once, `attention[0]` the first element of a tuple output, `pair[1][0]` an element of an element.
   */
  layers: readonly string[];
  /** Default `'pytorch-ood'`. */
  preset?: Preset;
  /** Bins per neuron, M: a whole number from 2 to 100,000; even and at least 4 with `'openood'` bins. Default 50. */
  mBins?: number | readonly number[];
  /** Steepness of the sigmoid, alpha > 0. Default 100. The right value depends on the layer. */
  alpha?: number | readonly number[];
  /** Hits that make a bin fully covered, O*: a whole number > 0. Default 50. */
  oStar?: number | readonly number[];
  /** Default: the preset's, `'geometric'` or `'openood'`. */
  binning?: Binning;
  /** Default `'auto'`, the preset's own. */
  featureReduce?: FeatureReduce | readonly FeatureReduce[];
  /** Default: the preset's, `'sum'` for pytorch-ood and `'mean'` for openood. */
  aggregation?: Aggregation;
  /** What each layer counts in the score: from 0 to 1e9, not all 0. Default 1 each. With `'mean'` their sum divides. */
  layerWeights?: readonly number[];
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
   * `'reference'` counts and scores them as pytorch-ood does (a NaN falls into the last geometric bin).
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
  featureReduce: FeatureReduce;
  /** Its share in `layerWeights`. */
  weight: number;
}

const reduceNames = [
  'auto',
  'mean',
  'sum',
  'max-abs',
  'flatten',
  'first-token',
  'mean-tokens',
  'channels-last',
] as const;
/** The keys of {@link NACUEOptions}. */
export const optionNames = [
  'layers',
  'preset',
  'mBins',
  'alpha',
  'oStar',
  'binning',
  'featureReduce',
  'aggregation',
  'layerWeights',
  'device',
  'numThreads',
  'mode',
  'precision',
  'chunkSize',
  'memoryLimit',
  'inputShape',
  'output',
  'nonFinite',
  'nativeBinding',
  'signal',
] as const satisfies (keyof NACUEOptions)[];
const maxBins = 100_000;
const maxWeight = 1e9;

/** What a preset chooses where the options say nothing. */
const presetDefaults = {
  'pytorch-ood': { binning: 'geometric', aggregation: 'sum' },
  openood: { binning: 'openood', aggregation: 'mean' },
} as const;

/**
 * Validates the options of a detector.
 *
 * @throws TypeError `ERR_NACUE_INVALID_ARG_TYPE`, RangeError `ERR_NACUE_OUT_OF_RANGE`
 */
export function parseOptions(options: NACUEOptions): NativeConfig {
  checkKeys('options', options, optionNames);
  const names = parseLayers(options.layers);
  const preset = choice('preset', options.preset, ['pytorch-ood', 'openood'] as const, 'pytorch-ood');
  const binning = parseBinning('binning', options.binning, presetDefaults[preset].binning);
  const aggregation = presetDefaults[preset].aggregation;
  const mBins = parseMBins(options.mBins, binning, names.length);
  const alpha = perLayer('alpha', options.alpha, 100, names.length, positive);
  const oStar = parseOStar(options.oStar === undefined ? 50 : options.oStar, names.length);
  const reduce = perLayer('featureReduce', options.featureReduce, 'auto', names.length, parseReduce);
  const weights = parseWeights(options.layerWeights, names.length);
  const device = parseDevice('device', options.device === undefined ? 'cpu' : options.device);
  return {
    layers: names.map((name, i) => ({
      name,
      mBins: mBins[i] as number,
      alpha: alpha[i] as number,
      oStar: oStar[i] as number,
      ...reduceOf(reduce[i] as string),
      weight: weights[i] as number,
    })),
    preset,
    binning,
    aggregation: choice('aggregation', options.aggregation, ['sum', 'mean'] as const, aggregation),
    device,
    numThreads: options.numThreads === undefined ? 0 : wholeNumber('numThreads', options.numThreads, 1, 1024),
    ...parseExecution(options, device),
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
  const shape = Array.from(value, (size: unknown, i) => wholeNumber(`${name}[${i}]`, size, 1));
  if (shape.length === 0) throw outOfRange(name, 'a shape with at least one dimension', shape);
  return shape;
}

/** O*: one value, or one per layer. */
export function parseOStar(value: unknown, layers: number): number[] {
  if (value === undefined) throw invalidType('oStar', 'a whole number >= 1', value);
  return perLayer('oStar', value, 50, layers, (name, item) => wholeNumber(name, item, 1));
}

/** A name of {@link Binning}. */
export function parseBinning(name: string, value: unknown, standard: Binning): Binning {
  return choice(name, value, ['geometric', 'uniform', 'logit', 'openood'] as const, standard);
}

/** M: one value, or one per layer. */
function parseMBins(value: unknown, binning: Binning, layers: number): number[] {
  return perLayer('mBins', value, 50, layers, (name, item) => parseBins(name, item, binning));
}

/** One M. */
export function parseBins(name: string, value: unknown, binning: Binning): number {
  const bins = wholeNumber(name, value, binning === 'openood' ? 4 : 2, maxBins);
  if (binning === 'openood' && bins % 2 !== 0) throw outOfRange(name, "an even number with 'openood' bins", value);
  return bins;
}

function parseLayers(value: unknown): string[] {
  if (!Array.isArray(value)) throw invalidType('layers', 'an array of module names', value);
  const names = Array.from(value, (name: unknown, i) => {
    if (typeof name !== 'string') throw invalidType(`layers[${i}]`, 'a module name', name);
    return name;
  });
  if (names.length === 0) throw outOfRange('layers', 'a list with at least one module name', names);
  const duplicate = names.find((name, i) => names.indexOf(name) !== i);
  if (duplicate !== undefined) throw outOfRange('layers', 'a list of different module names', names);
  return names;
}

function parseReduce(name: string, value: unknown): string {
  const expected = `${reduceNames.map((item) => `'${item}'`).join(', ')} or the path of a TorchScript module`;
  if (typeof value !== 'string') throw invalidType(name, expected, value);
  const isPath = /[/.]/.test(value) && !value.includes('\0');
  if (!isPath && !(reduceNames as readonly string[]).includes(value)) throw outOfRange(name, expected, value);
  return value;
}

function reduceOf(value: string): { reduce: string; reduceModule: string | null } {
  const isName = (reduceNames as readonly string[]).includes(value);
  return isName ? { reduce: value, reduceModule: null } : { reduce: 'module', reduceModule: value };
}

function parseWeights(value: unknown, layers: number): number[] {
  if (value === undefined) return new Array<number>(layers).fill(1);
  if (!Array.isArray(value)) throw invalidType('layerWeights', 'an array of numbers', value);
  const weights = Array.from(value, (weight: unknown, i) => {
    const expected = 'a finite number >= 0 and <= 1e9';
    if (typeof weight !== 'number') throw invalidType(`layerWeights[${i}]`, expected, weight);
    if (!(weight >= 0 && weight <= maxWeight)) throw outOfRange(`layerWeights[${i}]`, expected, weight);
    return weight;
  });
  if (weights.length !== layers) throw outOfRange('layerWeights', `one number per layer (${layers})`, weights);
  if (weights.every((weight) => weight === 0)) throw outOfRange('layerWeights', 'a list that is not all 0', value);
  return weights;
}

function parseOutput(value: unknown): number | string | null {
  if (value === undefined) return null;
  if (typeof value === 'string') return value;
  return wholeNumber('output', value, 0, 'a whole number or the name of an element');
}
