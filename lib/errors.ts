/**
 * Every error code this package uses, with what it means.
 *
 * Wrong arguments are `TypeError` or `RangeError` with a `code`; everything else is a {@link NacueError}.
 */
export const errorCodes = {
  ERR_NACUE_INVALID_ARG_TYPE: 'an argument or option has the wrong type (TypeError)',
  ERR_NACUE_OUT_OF_RANGE: 'an argument or option has the right type but an impossible value (RangeError)',
  ERR_NACUE_SHAPE: "a batch's shape does not fit its data, inputShape or the layers seen before (RangeError)",
  ERR_NACUE_LIBTORCH_NOT_FOUND: 'no LibTorch was found; the message lists the places and the fixes',
  ERR_NACUE_LIBTORCH_VERSION:
    'the LibTorch found has no matching nacue binary, or the version to install is not a known one',
  ERR_NACUE_LOAD_FAILED: 'LibTorch or the native addon was found but could not be opened',
  ERR_NACUE_LIBTORCH_CONFLICT: 'another LibTorch is already open in this process',
  ERR_NACUE_LIBTORCH_FETCH: 'LibTorch could not be fetched: no network, a proxy, no such file, pip failed',
  ERR_NACUE_LIBTORCH_DAMAGED: 'what was fetched is not what was published: a wrong hash, a damaged or foreign archive',
  ERR_NACUE_CACHE: 'the folder for LibTorch cannot be written, or its disk is full',
  ERR_NACUE_BUILD: 'the native part could not be built: a tool is missing, or the compiler failed',
  ERR_NACUE_PLATFORM: 'nacue does not run on this system: it needs Linux x64 with glibc',
  ERR_NACUE_MODEL_NOT_FOUND: 'the model path does not exist or cannot be read',
  ERR_NACUE_MODEL_FORMAT:
    'the model is not a TorchScript archive that can be trusted to load: not a zip, truncated, damaged, a state_dict, a .pt2',
  ERR_NACUE_MODEL_FROZEN: 'the model was frozen or optimised for inference: it has no submodules left to tap',
  ERR_NACUE_MODEL_TRAINING: 'the model was traced in training mode: dropout or batch norm would act on the batch',
  ERR_NACUE_MODEL_RUN: 'the model itself failed on a batch; LibTorch says why in `detail`',
  ERR_NACUE_LAYER_NOT_FOUND: 'a layer name is not a submodule of the model; near names are suggested',
  ERR_NACUE_LAYER_OUTPUT: 'the output of a layer is not one floating point tensor with the batch first',
  ERR_NACUE_LAYER_NOT_EXECUTED: 'a layer exists but forward() never calls it',
  ERR_NACUE_LAYER_REPEATED: 'a layer runs more than once per forward() and its name chooses no call',
  ERR_NACUE_LAYER_NOT_ON_PATH: 'no gradient flows from the logits to a layer',
  ERR_NACUE_LOGITS: 'the output of the model is not logits of shape (B, C) with C >= 2',
  ERR_NACUE_NON_FINITE: 'NaN or infinity in a batch, its logits or its contributions; the message names the rows',
  ERR_NACUE_NOT_FITTED: 'the call needs a fit and there was none',
  ERR_NACUE_EMPTY_FIT: 'fit, partialFit or calibrate got no samples; the former state is kept',
  ERR_NACUE_STATE_NOT_FOUND: 'the state file does not exist or cannot be read',
  ERR_NACUE_STATE_FORMAT: 'the state is not safetensors, or damaged',
  ERR_NACUE_STATE_VERSION: 'the state has a format version that this package does not know',
  ERR_NACUE_STATE_INVALID: 'the state is safetensors, but its metadata, tensors or counts are not those of a fit',
  ERR_NACUE_STATE_MISMATCH:
    'the state belongs to another model, other layers, neurons or options, or cannot be merged with the others',
  ERR_NACUE_STATE_WRITE: 'the state cannot be written; a file that was there before is whole',
  ERR_NACUE_DATA:
    'a file of samples is missing, unreadable, damaged, or not of the kind, type or shape that is expected',
  ERR_NACUE_OUTPUT: 'a result cannot be written; no partial file is left under its name',
  ERR_NACUE_OPTIONAL_DEPENDENCY:
    'a package that only some inputs or outputs need is not installed; the message says which',
  ERR_NACUE_SPILL: 'tune() could not keep contributions on disk or read them back',
  ERR_NACUE_DEVICE_UNAVAILABLE: 'a CUDA device was asked for and cannot be used; the message says why',
  ERR_NACUE_OUT_OF_MEMORY: 'an allocation failed; the detector is as it was before the call',
  ERR_NACUE_CLOSED: 'the detector or the samples were closed',
  ERR_NACUE_REENTRANT: 'a detector was called from inside its own fit iterator, which would wait for itself',
  ERR_NACUE_INTERNAL: 'an unexpected failure; please report it with `detail`',
} as const;

/** One of the keys of {@link errorCodes}. */
export type NacueErrorCode = keyof typeof errorCodes;

/**
 * What failed beyond a wrong argument.
 *
 * `message` is one readable line, `code` is stable across releases, `detail` is the long text of LibTorch where there is one.
 *
 * @example
 * try { await detector.predict(batch); } catch (error) {
 *   if (error instanceof NacueError && error.code === 'ERR_NACUE_NOT_FITTED') await detector.fit(batches);
 *   else throw error;
 * }
 */
export class NacueError extends Error {
  readonly code: NacueErrorCode;
  readonly detail: string | undefined;

  constructor(code: NacueErrorCode, message: string, options: { detail?: string | undefined; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'NacueError';
    this.code = code;
    this.detail = options.detail;
  }
}

/** The text of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A wrong argument's error: names the parameter, what is expected, and what came. */
export type ArgumentError = (TypeError | RangeError) & { readonly code: NacueErrorCode };

/** Builds the TypeError for a parameter of the wrong type. */
export function invalidType(name: string, expected: string, received: unknown): ArgumentError {
  const error = new TypeError(`${name} must be ${expected}, received ${describe(received)}`);
  return Object.assign(error, { code: 'ERR_NACUE_INVALID_ARG_TYPE' as const });
}

/** Builds the RangeError for a parameter with an impossible value. */
export function outOfRange(name: string, expected: string, received: unknown): ArgumentError {
  const error = new RangeError(`${name} must be ${expected}, received ${describe(received)}`);
  return Object.assign(error, { code: 'ERR_NACUE_OUT_OF_RANGE' as const });
}

/** Builds the RangeError for a batch whose shape does not fit. */
export function wrongShape(message: string): ArgumentError {
  return Object.assign(new RangeError(message), { code: 'ERR_NACUE_SHAPE' as const });
}

function describe(value: unknown): string {
  if (value === null || value === undefined || typeof value === 'boolean') return String(value);
  if (typeof value === 'number' || typeof value === 'bigint') return `${String(value)} (${typeof value})`;
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value);
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`;
  if (Array.isArray(value))
    return value.length > 8 ? `an array of ${value.length}` : `[${value.map(describeItem).join(', ')}]`;
  return `an instance of ${value.constructor?.name ?? 'Object'}`;
}

function describeItem(value: unknown): string {
  return typeof value === 'object' && value !== null ? 'object' : describe(value);
}
