import fs from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { types } from 'node:util';
import { invalidType, NacueError } from './errors.js';
import { checkPath } from './option-checks.js';

const partSize = 2 ** 20;

/** Checks what is given as a model: a path, or the bytes of a TorchScript archive. */
export function checkModel(model: unknown): string | Uint8Array {
  if (types.isUint8Array(model)) return model.buffer instanceof SharedArrayBuffer ? new Uint8Array(model) : model;
  if (typeof model !== 'string') throw invalidType('model', 'a path or a Uint8Array', model);
  return checkPath('model', model);
}

/** A copy that later changes to the caller's buffer cannot reach; empty where that was transferred away. */
export function copyBytes(bytes: Uint8Array): Uint8Array {
  return bytes.length === 0 ? new Uint8Array() : new Uint8Array(bytes);
}

/** SHA-256 of a model, 64 hexadecimal digits, in steps that leave the event loop free. */
export async function hashModel(model: string | Uint8Array): Promise<string> {
  const { createHash } = await import('node:crypto'); // most processes never need it, and it takes 4 ms
  const hash = createHash('sha256');
  try {
    for await (const part of piecesOf(model)) hash.update(part);
  } catch (error) {
    const message = `cannot read the model '${model}': ${(error as Error).message}`;
    throw new NacueError('ERR_NACUE_MODEL_NOT_FOUND', message, { cause: error });
  }
  return hash.digest('hex');
}

async function* piecesOf(model: string | Uint8Array): AsyncIterable<Uint8Array> {
  if (typeof model === 'string') yield* fs.createReadStream(model, { highWaterMark: partSize });
  else
    for (let begin = 0; begin < model.length; begin += partSize) {
      yield model.subarray(begin, begin + partSize);
      await setImmediate();
    }
}
