/** The options of commands that make or restore a detector, and what becomes of them. */
import type { Device, FeatureReduce, NACUEOptions } from '../options.js';
import { presets } from '../presets.js';
import type { RestoreOptions } from '../results.js';
import type { OptionTable, OptionValues } from './command.js';
import { UsageError } from './exit-codes.js';
import { givenOnly } from './given-options.js';

const running = 'Model';
const fitting = 'Detector';

/** How the model runs. */
export const runOptions = {
  device: { kind: 'text', value: 'DEVICE', default: 'cpu', summary: 'cpu, cuda, cuda:N, or auto', group: running },
  threads: {
    kind: 'integer',
    value: 'N',
    min: 1,
    max: 1024,
    summary: "LibTorch's threads for one operation",
    group: running,
  },
  mode: {
    kind: 'choice',
    value: 'MODE',
    choices: ['parity', 'fast'],
    summary: 'bit for bit, or quick',
    otherwise: "the state's, parity for a new one",
    group: running,
  },
  precision: {
    kind: 'choice',
    value: 'TYPE',
    choices: ['float32', 'tf32', 'bfloat16'],
    summary: 'what the model computes in with --mode fast',
    group: running,
  },
  chunkSize: {
    kind: 'integer',
    value: 'N',
    min: 1,
    words: ['auto'],
    summary: 'samples that pass through the model at once, or auto',
    otherwise: 'the batch',
    group: running,
  },
  memoryLimit: {
    kind: 'integer',
    value: 'BYTES',
    min: 2 ** 24,
    summary: 'memory of a batch with --chunk-size auto',
    group: running,
  },
  output: {
    kind: 'text',
    value: 'ELEMENT',
    summary: 'the element of a tuple or dict that holds the logits',
    group: running,
  },
  nonFinite: {
    kind: 'choice',
    value: 'WHAT',
    choices: ['error', 'reference'],
    summary: 'whether NaN and infinity end the run, or are scored as pytorch-ood does',
    otherwise: 'error',
    group: running,
  },
  featureReduce: {
    kind: 'list',
    of: 'text',
    value: 'NAMES',
    summary: 'how outputs become neurons, for all layers or one each, as `nacue inspect` suggests',
    group: running,
  },
} as const satisfies OptionTable;

/** What is counted. */
export const fitOptions = {
  layers: {
    kind: 'list',
    of: 'text',
    value: 'NAMES',
    summary: 'the layers to watch, as `nacue inspect` lists them',
    group: fitting,
  },
  preset: {
    kind: 'choice',
    value: 'NAME',
    choices: ['pytorch-ood', 'openood', ...Object.keys(presets)],
    summary: 'whose numbers, or published settings with their layers',
    otherwise: 'pytorch-ood',
    group: fitting,
  },
  mBins: {
    kind: 'list',
    of: 'integer',
    value: 'N',
    min: 2,
    max: 100_000,
    summary: 'bins per neuron, for all layers or one each',
    otherwise: '50',
    group: fitting,
  },
  alpha: {
    kind: 'list',
    of: 'number',
    value: 'X',
    min: 0,
    aboveMin: true,
    summary: 'steepness of the sigmoid, for all layers or one each',
    otherwise: '100',
    group: fitting,
  },
  oStar: {
    kind: 'list',
    of: 'integer',
    value: 'N',
    min: 1,
    summary: 'hits that make a bin fully covered, for all layers or one each',
    otherwise: '50',
    group: fitting,
  },
  binning: {
    kind: 'choice',
    value: 'RULE',
    choices: ['geometric', 'uniform', 'logit', 'openood'],
    summary: 'how values fall into bins',
    otherwise: "the preset's",
    group: fitting,
  },
  aggregation: {
    kind: 'choice',
    value: 'RULE',
    choices: ['sum', 'mean'],
    summary: 'how layers make one score',
    otherwise: "the preset's",
    group: fitting,
  },
  layerWeights: {
    kind: 'list',
    of: 'number',
    value: 'X',
    min: 0,
    summary: 'what each layer counts in the score, one each',
    otherwise: '1',
    group: fitting,
  },
} as const satisfies OptionTable;

/** For commands that restore a detector. */
export const restoreOptions = {
  allowModelMismatch: { kind: 'flag', summary: 'take the state of another model file', group: running },
  allowModeMismatch: { kind: 'flag', summary: 'take a state of another mode or precision', group: running },
} as const satisfies OptionTable;

type RunValues = OptionValues<typeof runOptions>;

/** What `NACUE.restore` takes. */
export function restoreOptionsOf(values: RunValues & OptionValues<typeof restoreOptions>): RestoreOptions {
  const { allowModelMismatch, allowModeMismatch } = values;
  return { ...runOptionsOf(values), allowModelMismatch, allowModeMismatch };
}

/** What `NACUE.create` takes. */
export function detectorOptionsOf(
  values: RunValues & OptionValues<typeof fitOptions>,
  inputShape: readonly number[] | undefined,
): NACUEOptions {
  const { layers, preset, mBins, alpha, oStar, binning, aggregation, layerWeights } = values;
  const given = givenOnly({ layers, mBins: each(mBins), alpha: each(alpha), oStar: each(oStar), inputShape });
  const published = isPublished(preset) ? presets[preset] : givenOnly({ preset });
  const options = {
    ...published,
    ...given,
    ...givenOnly({ binning, aggregation, layerWeights }),
    ...runOptionsOf(values),
  } as NACUEOptions;
  if (options.layers === undefined)
    throw new UsageError('--layers is missing: `nacue inspect` lists and suggests them');
  return options;
}

function runOptionsOf(values: RunValues): Partial<NACUEOptions> {
  const { device, threads, mode, precision, chunkSize, memoryLimit, output, nonFinite, featureReduce } = values;
  return {
    device: device as Device, // checked by the library
    ...givenOnly({ numThreads: threads, mode, precision, chunkSize, memoryLimit, nonFinite }),
    ...givenOnly({ output: output !== undefined && /^\d+$/.test(output) ? Number(output) : output }),
    ...givenOnly({ featureReduce: each<FeatureReduce>(featureReduce) }),
  };
}

/** One value counts for all layers, how many there may be. */
function each<T>(values: readonly T[] | undefined): T | readonly T[] | undefined {
  return values?.length === 1 ? values[0] : values;
}

/** Whether a preset brings layers of its own. */
export function isPublished(preset: string | undefined): preset is keyof typeof presets {
  return preset !== undefined && Object.hasOwn(presets, preset);
}
