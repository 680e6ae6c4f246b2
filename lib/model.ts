import { types } from 'node:util';
import { invalidType, outOfRange } from './errors.js';

/** Checks what is given as a model: a path, or the bytes of a TorchScript archive. */
export function checkModel(model: unknown): string | Uint8Array {
  if (types.isUint8Array(model)) return model.buffer instanceof SharedArrayBuffer ? new Uint8Array(model) : model;
  if (typeof model !== 'string') throw invalidType('model', 'a path or a Uint8Array', model);
  if (model === '' || model.includes('\0')) throw outOfRange('model', 'a path without NUL characters', model);
  return model;
}

/** A copy that later changes to the caller's buffer cannot reach; empty where that was transferred away. */
export function copyBytes(bytes: Uint8Array): Uint8Array {
  return bytes.length === 0 ? new Uint8Array() : new Uint8Array(bytes);
}
