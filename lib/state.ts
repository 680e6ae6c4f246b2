/** The state of a fitted detector as bytes and as a file; docs/state-format.md describes it. */
import fs, { promises as fsp } from 'node:fs';
import { types } from 'node:util';
import { type NativeState, nativeError } from './addon/binding.js';
import { loadBinding } from './addon/first-use.js';
import { invalidType, messageOf, NacueError, outOfRange } from './errors.js';
import { copyBytes } from './model.js';
import { checkKeys, checkNativeBinding, checkPath } from './option-checks.js';
import type { BindingOptions, NACUEOptions } from './options.js';
import { replaceFile } from './replaced-file.js';
import { elementsIn } from './shape.js';

/** A state: the path of its file, or its bytes. */
export type StateSource = string | Uint8Array;

/** Checks what is given as a state. */
export function checkState(name: string, state: unknown): StateSource {
  if (types.isUint8Array(state)) return state;
  if (typeof state !== 'string') throw invalidType(name, 'a path or a Uint8Array', state);
  return checkPath(name, state);
}

/** The bytes of a state, in a buffer that no caller can reach. */
export async function readState(state: StateSource): Promise<Uint8Array> {
  if (typeof state !== 'string') return copyBytes(state);
  try {
    const handle = await fsp.open(state, withoutWaiting);
    try {
      const { size } = checkFile(await handle.stat());
      return await readBytes(handle, size);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw unreadable(state, error);
  }
}

/** The same on the spot. */
function readStateSync(file: string): Uint8Array {
  try {
    const descriptor = fs.openSync(file, withoutWaiting);
    try {
      checkFile(fs.fstatSync(descriptor));
      return fs.readFileSync(descriptor);
    } finally {
      fs.closeSync(descriptor);
    }
  } catch (error) {
    throw unreadable(file, error);
  }
}

const maxTriedValues = 2 ** 26;
const maxFileSize = 2 ** 31 - 1; // the most that Node reads into one buffer at once

// Opening a pipe would wait for its writer.
const withoutWaiting = fs.constants.O_RDONLY | fs.constants.O_NONBLOCK;

// A device may have no end.
function checkFile(stats: fs.Stats): fs.Stats {
  if (!stats.isFile()) throw new Error('it is no regular file');
  if (stats.size > maxFileSize) throw new Error('it has more than 2 GiB');
  return stats;
}

// handle.readFile() puts pieces together, and so holds the file twice.
async function readBytes(handle: fsp.FileHandle, size: number): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafeSlow(size);
  let end = 0;
  for (let count = -1; end < size && count !== 0; end += count) {
    count = (await handle.read(bytes, end, size - end, end)).bytesRead;
  }
  return bytes.subarray(0, end);
}

/** Adds states up; see {@link NACUE.merge}. */
export function mergeStates(states: unknown, options: BindingOptions): Uint8Array {
  const { nativeBinding } = checkKeys('options', options, ['nativeBinding']);
  checkNativeBinding(nativeBinding);
  const expected = 'a list of paths and Uint8Arrays';
  if (!Array.isArray(states)) throw invalidType('states', expected, states);
  if (states.length === 0) throw outOfRange('states', 'a list with at least one state', states);
  const sources = Array.from(states, (state: unknown, i) => checkState(`states[${i}]`, state));
  const bytes = sources.map((source) => {
    if (typeof source === 'string') return readStateSync(source);
    return source.buffer instanceof SharedArrayBuffer ? new Uint8Array(source) : source;
  });
  try {
    return loadBinding(nativeBinding).mergeStates(bytes);
  } catch (error) {
    throw nativeError(error);
  }
}

/**
 * Writes a file so that at any moment, also after a crash or on a full disk, the old file or the new one is there, whole: a
 * temporary file in the same folder, fsync, rename, fsync of the folder.
 */
export async function writeAtomically(file: string, bytes: Uint8Array): Promise<void> {
  try {
    if (bytes.length > maxFileSize) throw new Error('it would have more than 2 GiB, which cannot be read again');
    await replaceFile(file, bytes);
  } catch (error) {
    throw new NacueError('ERR_NACUE_STATE_WRITE', `cannot write the state '${file}': ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** The options that a state was fitted with, where the caller asks for no others. */
export function optionsOfState(state: NativeState, asked: Partial<NACUEOptions>): NACUEOptions {
  const { layers } = state;
  const names = layers.map(({ name }) => name);
  const given = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
  checkLayers(names, asked.layers);
  return {
    layers: names,
    preset: state.preset,
    mBins: layers.map(({ mBins }) => mBins),
    alpha: layers.map(({ alpha }) => alpha),
    oStar: layers.map(({ oStar }) => oStar),
    binning: state.binning,
    ...(asked.featureReduce === undefined && { featureReduce: layers.map(reduceOfState) }),
    aggregation: state.aggregation,
    ...modeOfState(state, asked),
    layerWeights: layers.map(({ weight }) => weight),
    ...sampleShape(state),
    ...(state.output !== null && { output: state.output }),
    ...given,
  };
}

// The native side compares all else; lists of another length could not even be paired with the layers.
function checkLayers(stored: string[], asked: unknown): void {
  if (!Array.isArray(asked) || (asked.length === stored.length && asked.every((name, i) => name === stored[i]))) return;
  throw new NacueError(
    'ERR_NACUE_STATE_MISMATCH',
    `the state has layers '${stored.join(', ')}', the detector '${asked.join(', ')}'`,
  );
}

// In parity mode there is no precision to take over.
function modeOfState(state: NativeState, asked: Partial<NACUEOptions>): Pick<NACUEOptions, 'mode' | 'precision'> {
  const { mode, precision } = state;
  if (precision === null || asked.mode === 'parity') return { mode };
  if (precision === 'tf32' && asked.precision === undefined && [undefined, 'cpu'].includes(asked.device)) {
    throw new NacueError(
      'ERR_NACUE_STATE_MISMATCH',
      "the state has precision 'tf32', which needs a CUDA device: give one, or another precision with allowModeMismatch: true",
    );
  }
  return { mode, precision };
}

// With an inputShape the model is tried at once: a damaged number must not ask for all memory there is. Without it, the first batch
// shows whether state and model fit.
function sampleShape({ inputShape }: NativeState): Pick<NACUEOptions, 'inputShape'> {
  return inputShape && elementsIn(inputShape) <= maxTriedValues ? { inputShape } : {};
}

function reduceOfState({ name, reduce }: NativeState['layers'][number]): string {
  if (!reduce.startsWith('module:')) return reduce;
  throw new NacueError(
    'ERR_NACUE_STATE_MISMATCH',
    `the state reduces layer '${name}' with a module, SHA-256 ${reduce.slice(7, 19)}...: give its path as featureReduce`,
  );
}

function unreadable(file: string, error: unknown): NacueError {
  return new NacueError('ERR_NACUE_STATE_NOT_FOUND', `cannot read the state '${file}': ${(error as Error).message}`, {
    cause: error,
  });
}
