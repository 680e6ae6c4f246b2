/** Checks what `openSamples` and `Samples.batches` are given. */
import { invalidType, outOfRange } from '../errors.js';
import {
  checkBoolean,
  checkFunction,
  checkKeys,
  checkPath,
  checkSignal,
  choice,
  wholeNumber,
} from '../option-checks.js';
import type { PassOptions, SampleOptions } from './samples.js';

const optionNames = [
  'array',
  'balanced',
  'limit',
  'onError',
  'seed',
  'shape',
  'shuffle',
  'threads',
  'transform',
] satisfies (keyof SampleOptions)[];

export function checkSampleOptions(options: SampleOptions): SampleOptions {
  const { array, balanced, limit, onError, seed, shape, shuffle, threads, transform } = checkKeys(
    'options',
    options,
    optionNames,
  );
  checkName('array', array);
  checkName('transform', transform);
  choice('onError', onError, ['stop', 'skip'], 'stop');
  checkBoolean('shuffle', shuffle);
  if (shape !== undefined) checkSampleShape(shape);
  if (limit !== undefined) wholeNumber('limit', limit, 1);
  if (balanced !== undefined) wholeNumber('balanced', balanced, 1);
  if (threads !== undefined) wholeNumber('threads', threads, 1, 1024);
  if (seed === undefined) return options;
  wholeNumber('seed', seed, 0, 2 ** 32 - 1);
  if (!shuffle) throw outOfRange('seed', 'left out without shuffle', seed);
  return options;
}

export function checkPassOptions(options: PassOptions): PassOptions {
  const { batchSize, from, onSkip, signal } = checkKeys('options', options, ['batchSize', 'from', 'onSkip', 'signal']);
  wholeNumber('batchSize', batchSize, 1);
  if (from !== undefined) wholeNumber('from', from, 0);
  checkFunction('onSkip', onSkip);
  checkSignal(signal);
  return options;
}

export function checkPaths(paths: unknown): string[] {
  if (!Array.isArray(paths)) throw invalidType('paths', 'an array of paths', paths);
  const given: unknown[] = Array.from(paths);
  if (given.length === 0) throw outOfRange('paths', 'an array of at least one path', given);
  return given.map((path, i) => checkPath(`paths[${i}]`, path));
}

function checkSampleShape(shape: unknown): void {
  const expected = 'an array of numbers';
  if (!Array.isArray(shape)) throw invalidType('shape', expected, shape);
  if (shape.length === 0) throw outOfRange('shape', 'a shape with at least one dimension', shape);
  for (const [i, size] of Array.from(shape).entries()) wholeNumber(`shape[${i}]`, size, 1);
}

function checkName(name: string, value: unknown): void {
  if (value === undefined) return;
  if (typeof value !== 'string') throw invalidType(name, 'a name', value);
  if (value === '') throw outOfRange(name, 'a name', value);
}
