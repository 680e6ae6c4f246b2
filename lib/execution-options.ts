/** How a detector runs its model: the options that change speed, memory and the last bits, and their checks. */
import type { NativeConfig } from './addon/binding.js';
import { outOfRange } from './errors.js';
import { choice, wholeNumber } from './option-checks.js';
import type { Device } from './options.js';

/**
 * `'parity'`: the numbers of the preset's source, bit for bit on the CPU. `'fast'`: the model is frozen, its batch norms are folded into
 * the convolutions before them, images lie channels last, and it computes in a lower precision where the device is quick at it: scores
 * deviate by what docs/benchmarks.md measures.
 */
export type Mode = 'parity' | 'fast';

/** What the model computes in; `'tf32'` on CUDA only. Loss, sigmoid, bins and scores are float32 with each. */
export type Precision = 'float32' | 'tf32' | 'bfloat16';

/** The part of {@link NACUEOptions} that says how the model runs. */
export interface ExecutionOptions {
  /** Default `'parity'`. */
  mode?: Mode;
  /**
   * With mode `'fast'`. Default: `'bfloat16'` on CPUs with AVX512-BF16 or AMX and on CUDA devices of compute capability 8 or higher, if a
   * trial on four images of noise shows that this model's contributions bear it; else `'tf32'` on CUDA and `'float32'` on the CPU.
   * `detector.plan` has the one chosen, after the first batch or with `inputShape`.
   */
  precision?: Precision;
  /**
   * A batch passes through the model in parts of at most this many samples, a whole number > 0, in every call that takes batches. In
   * parity mode on the CPU no bit of the results changes. `'auto'`: as many samples as `memoryLimit` allows, measured with the first
   * batch. Default: the whole batch at once.
   */
  chunkSize?: number | 'auto';
  /**
   * With chunkSize `'auto'`: the bytes that a call may take beyond the loaded model, nacue's copy of the batch among them; a whole number
   * >= 2^24 (16 MiB). Default 2^30 (1 GiB).
   */
  memoryLimit?: number;
}

/** {@link NativeConfig.chunkSize} where it is no number of samples. */
const wholeBatch = 0;
const autoChunk = -1;
const leastMemoryLimit = 2 ** 24;

/**
 * Validates them.
 *
 * @throws as {@link parseOptions}
 */
export function parseExecution(
  options: ExecutionOptions,
  device: Device,
): Pick<NativeConfig, 'mode' | 'precision' | 'chunkSize' | 'memoryLimit'> {
  return { ...parseMode(options, device), ...parseChunks(options) };
}

/** The options again, of what {@link parseExecution} made of them. */
export function chunksOf({
  chunkSize,
  memoryLimit,
}: Pick<NativeConfig, 'chunkSize' | 'memoryLimit'>): Pick<ExecutionOptions, 'chunkSize' | 'memoryLimit'> {
  if (chunkSize === autoChunk) return { chunkSize: 'auto', memoryLimit };
  return chunkSize === wholeBatch ? {} : { chunkSize };
}

function parseMode(options: ExecutionOptions, device: Device): Pick<NativeConfig, 'mode' | 'precision'> {
  const mode = choice('mode', options.mode, ['parity', 'fast'] as const, 'parity');
  if (options.precision === undefined) return { mode, precision: null };
  const precision = choice('precision', options.precision, ['float32', 'tf32', 'bfloat16'] as const, 'float32');
  if (mode === 'parity' && precision !== 'float32')
    throw outOfRange('precision', "'float32' with mode 'parity'", precision);
  if (precision === 'tf32' && device === 'cpu')
    throw outOfRange('precision', "'float32' or 'bfloat16' with device 'cpu'", precision);
  return { mode, precision };
}

function parseChunks(options: ExecutionOptions): Pick<NativeConfig, 'chunkSize' | 'memoryLimit'> {
  const chunkSize = parseChunkSize(options.chunkSize);
  const { memoryLimit = chunkSize === autoChunk ? 2 ** 30 : undefined } = options;
  if (memoryLimit === undefined) return { chunkSize, memoryLimit: 0 };
  const bytes = wholeNumber('memoryLimit', memoryLimit, leastMemoryLimit);
  if (chunkSize !== autoChunk) throw outOfRange('memoryLimit', "left out without chunkSize 'auto'", bytes);
  return { chunkSize, memoryLimit: bytes };
}

function parseChunkSize(value: unknown): number {
  if (value === undefined) return wholeBatch;
  if (value === 'auto') return autoChunk;
  const expected = "a whole number >= 1 or 'auto'";
  if (typeof value === 'string') throw outOfRange('chunkSize', expected, value);
  return wholeNumber('chunkSize', value, 1, expected);
}
