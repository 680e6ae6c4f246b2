/** The options of commands that read samples, and what becomes of them. */
import type { SampleOptions, Samples } from '../data/samples.js';
import type { Argument, Option, OptionTable, OptionValues } from './command.js';
import { UsageError } from './exit-codes.js';
import { givenOnly } from './given-options.js';
import { sampleShape } from './shared-options.js';

const group = 'Data';

export const dataArgument = {
  value: 'DATA',
  summary: '.npy, .npz, .safetensors, raw float32, image folders, globs, @lists, or - for stdin',
  required: true,
  variadic: true,
} as const satisfies Argument;

export const dataOptions = {
  batchSize: { kind: 'integer', short: 'b', value: 'N', min: 1, default: 64, summary: 'samples per batch', group },
  shape: {
    ...sampleShape,
    summary: 'the shape of one sample, for example 3,224,224: for raw float32; for all else a check',
    group,
  },
  array: { kind: 'text', value: 'NAME', summary: 'the array inside .npz or .safetensors', group },
  transform: {
    kind: 'text',
    value: 'NAME',
    summary: 'how images become tensors: imagenet, imagenet:RESIZE/CROP, scale:H,W, none, or a JSON file',
    group,
  },
  onError: {
    kind: 'choice',
    value: 'WHAT',
    choices: ['stop', 'skip'],
    default: 'stop',
    summary: 'what a broken image does',
    group,
  },
  limit: { kind: 'integer', value: 'N', min: 1, summary: 'no more samples than this', group },
  balanced: { kind: 'integer', value: 'N', min: 1, summary: 'no more samples of each class folder than this', group },
  shuffle: { kind: 'flag', summary: 'a random order', group },
  seed: {
    kind: 'integer',
    value: 'N',
    min: 0,
    max: 2 ** 32 - 1,
    summary: 'chooses the order of --shuffle',
    otherwise: '0',
    group,
  },
} as const satisfies OptionTable;

/** The heading for options that name sets of samples, in commands that take more than one. */
export const setsGroup = 'Samples';

export const idData = {
  kind: 'list',
  of: 'text',
  repeated: true,
  value: 'DATA',
  summary: 'in-distribution samples that are not in the fit; as often as needed',
  required: true,
  group: setsGroup,
} as const satisfies Option;

export type DataValues = OptionValues<typeof dataOptions>;

/** @throws UsageError for options that contradict each other */
export function sampleOptionsOf(values: DataValues): SampleOptions {
  const { shape, array, transform, onError, limit, balanced, shuffle, seed } = values;
  if (seed !== undefined && !shuffle) throw new UsageError('--seed is for --shuffle, which is not given');
  return { onError, shuffle, ...givenOnly({ shape, array, transform, limit, balanced, seed }) };
}

export async function openData(paths: readonly string[], values: DataValues, signal: AbortSignal): Promise<Samples> {
  const { openSamples } = await import('../data/open-samples.js');
  const stopStdin = () => process.stdin.destroy();
  // The header of what comes from stdin is waited for, perhaps for ever.
  if (paths.includes('-')) signal.addEventListener('abort', stopStdin);
  try {
    return await openSamples(paths, sampleOptionsOf(values));
  } finally {
    signal.removeEventListener('abort', stopStdin);
  }
}

/** `NAME=DATA` as a list of paths by name; one name may come more than once. */
export function namedData(flag: string, values: readonly string[]): Map<string, string[]> {
  const sets = new Map<string, string[]>();
  for (const value of values) {
    const split = value.indexOf('=');
    if (split < 1 || split === value.length - 1) {
      throw new UsageError(`${flag} must be NAME=DATA, received ${JSON.stringify(value)}`);
    }
    const name = value.slice(0, split);
    sets.set(name, [...(sets.get(name) ?? []), value.slice(split + 1)]);
  }
  return sets;
}
