/** Many batches as a caller hands them in: an array, an iterator, a generator, a stream. */
import { abortable } from './abort.js';
import type { Batch, Batches } from './batch.js';
import { invalidType } from './errors.js';

/** Gives batches one by one. */
export interface BatchSource {
  next(): Promise<IteratorResult<Batch>>;
  /** Tells the iterator that no more is wanted. As after a throw in `for await`, what it throws then is dropped; nobody waits for it. */
  stop(): void;
}

type BatchIterator = Iterator<Batch> | AsyncIterator<Batch>;

export function isBatches(value: unknown): value is Batches {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return false;
  return typeof openerOf(value as Batches) === 'function';
}

export function checkBatches(name: string, value: unknown): asserts value is Batches {
  if (!isBatches(value)) throw invalidType(name, 'an Iterable or AsyncIterable of batches', value);
}

/** @throws TypeError `ERR_NACUE_INVALID_ARG_TYPE`, also from `next()`, where the iterator is none */
export function openBatches(name: string, batches: Batches): BatchSource {
  checkBatches(name, batches);
  const iterator = openerOf(batches)?.call(batches) as BatchIterator | undefined;
  if (typeof iterator?.next !== 'function')
    throw invalidType(`the iterator of ${name}`, 'an object with a method next()', iterator);
  return {
    next: async () => {
      const step: unknown = await iterator.next();
      if (typeof step !== 'object' || step === null)
        throw invalidType(`what the iterator of ${name} returns`, 'an object with value and done', step);
      return step as IteratorResult<Batch>;
    },
    stop: () => {
      (async () => iterator.return?.())().catch(() => {});
    },
  };
}

/** Asks for the next batch while `work` runs on the last one; works one at a time, and none is left running behind. */
export async function forEachBatch(
  source: BatchSource,
  stop: AbortSignal | undefined,
  work: (batch: Batch) => Promise<void>,
): Promise<void> {
  let working = Promise.resolve();
  try {
    for (;;) {
      const [step] = await Promise.all([abortable(source.next(), stop), working]);
      stop?.throwIfAborted();
      if (step.done) return;
      working = work(step.value);
      working.catch(() => {}); // awaited in the next round; until then it must not count as unhandled
    }
  } catch (error) {
    source.stop();
    await working.catch(() => {});
    throw error;
  }
}

// As for await chooses: a method that is there but undefined or null is passed over.
function openerOf(batches: Batches): (() => BatchIterator) | null | undefined {
  const { [Symbol.asyncIterator]: async, [Symbol.iterator]: sync } = batches as AsyncIterable<Batch> & Iterable<Batch>;
  return async ?? sync;
}
