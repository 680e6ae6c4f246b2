/** What the exit code of `nacue` says, for scripts and CI. */
import { errorCodes, type NacueErrorCode } from '../errors.js';

export const exitCodes = {
  ok: 0,
  failure: 1,
  usage: 2,
  /** LibTorch or the native part is missing or does not fit: nothing can be scored here. */
  cannotScore: 3,
  badModel: 4,
  badData: 5,
  /** A limit that was asked for, for example by `--min-auroc`, is not met. */
  gate: 6,
  /** 128 + SIGINT, as shells have it. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** The command line itself is wrong in a way that only the command can tell. */
export class UsageError extends Error {}

const { failure, usage, cannotScore, badModel, badData } = exitCodes;

const exitCodeByError: Readonly<Record<NacueErrorCode, ExitCode>> = {
  ERR_NACUE_INVALID_ARG_TYPE: usage,
  ERR_NACUE_OUT_OF_RANGE: usage,
  ERR_NACUE_SHAPE: badData,
  ERR_NACUE_LIBTORCH_NOT_FOUND: cannotScore,
  ERR_NACUE_LIBTORCH_VERSION: cannotScore,
  ERR_NACUE_LOAD_FAILED: cannotScore,
  ERR_NACUE_LIBTORCH_CONFLICT: cannotScore,
  ERR_NACUE_LIBTORCH_FETCH: failure,
  ERR_NACUE_LIBTORCH_DAMAGED: failure,
  ERR_NACUE_CACHE: failure,
  ERR_NACUE_BUILD: failure,
  ERR_NACUE_PLATFORM: cannotScore,
  ERR_NACUE_MODEL_NOT_FOUND: badModel,
  ERR_NACUE_MODEL_FORMAT: badModel,
  ERR_NACUE_MODEL_FROZEN: badModel,
  ERR_NACUE_MODEL_TRAINING: badModel,
  ERR_NACUE_MODEL_RUN: badModel,
  ERR_NACUE_LAYER_NOT_FOUND: badModel,
  ERR_NACUE_LAYER_OUTPUT: badModel,
  ERR_NACUE_LAYER_NOT_EXECUTED: badModel,
  ERR_NACUE_LAYER_REPEATED: badModel,
  ERR_NACUE_LAYER_NOT_ON_PATH: badModel,
  ERR_NACUE_LOGITS: badModel,
  ERR_NACUE_NON_FINITE: badData,
  ERR_NACUE_NOT_FITTED: badModel,
  ERR_NACUE_EMPTY_FIT: badData,
  ERR_NACUE_STATE_NOT_FOUND: badModel,
  ERR_NACUE_STATE_FORMAT: badModel,
  ERR_NACUE_STATE_VERSION: badModel,
  ERR_NACUE_STATE_INVALID: badModel,
  ERR_NACUE_STATE_MISMATCH: badModel,
  ERR_NACUE_STATE_WRITE: failure,
  ERR_NACUE_DATA: badData,
  ERR_NACUE_OUTPUT: failure,
  ERR_NACUE_OPTIONAL_DEPENDENCY: failure,
  ERR_NACUE_SPILL: failure,
  ERR_NACUE_DEVICE_UNAVAILABLE: cannotScore,
  ERR_NACUE_OUT_OF_MEMORY: failure,
  ERR_NACUE_CLOSED: failure,
  ERR_NACUE_REENTRANT: failure,
  ERR_NACUE_INTERNAL: failure,
};

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof UsageError) return exitCodes.usage;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return isNacueCode(code) ? exitCodeByError[code] : exitCodes.failure;
}

function isNacueCode(code: unknown): code is NacueErrorCode {
  return typeof code === 'string' && Object.hasOwn(errorCodes, code);
}
