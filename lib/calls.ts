import { AsyncLocalStorage } from 'node:async_hooks';
import { abortable, anySignal } from './abort.js';
import { callNative, type NativeDetector, type Settle, type Ticket } from './addon/binding.js';
import { type Batches, type CheckedBatch, checkBatch, copyBatch } from './batch.js';
import { type BatchSource, forEachBatch, openBatches } from './batches.js';
import { NacueError } from './errors.js';

/** How far a pass over batches has come. */
export interface PassProgress {
  batches: number;
  samples: number;
  elapsedMs: number;
}

/** What is done with each batch of a pass. */
export type BatchWork = (batch: CheckedBatch) => Promise<void>;

/**
 * The calls on one detector: their order, their abortion, their end.
 *
 * The native queue is first in, first out. A pass over batches (`fit`, `calibrate`) is many native tasks: later calls wait until it
 * is done (`inTurn`). A call from inside the pass's own iterator would wait for itself and is refused (`checkUsable`).
 */
export class Calls {
  readonly #native: NativeDetector;
  readonly #closing = new AbortController();
  /** Set while a pass of this detector asks its iterator for the next batch. */
  readonly #iterating = new AsyncLocalStorage<{ active: boolean }>();
  /** Calls that have not settled. */
  readonly #outstanding = new Set<Promise<unknown>>();
  /** Resolves when the next call may go to the native queue; undefined while no pass and no move is under way. */
  #turn: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(native: NativeDetector) {
    this.#native = native;
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  /** Ends a running pass, lets earlier calls finish, frees the native side. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  checkUsable(): void {
    if (this.closed) throw closedError();
    if (!this.#iterating.getStore()?.active) return;
    throw new NacueError(
      'ERR_NACUE_REENTRANT',
      'the detector was called from inside the iterator of its own fit: the call would wait for the fit, and the fit for the call',
    );
  }

  /** One native call; an abort takes it out of the queue or, once it runs, drops its result. */
  async run<T>(start: (settle: Settle<T>) => Ticket, signal?: AbortSignal): Promise<T> {
    let ticket: Ticket | undefined;
    const call = callNative<T>((settle) => {
      ticket = start(settle);
      return ticket;
    });
    if (!signal) return call;
    try {
      return await abortable(call, signal);
    } finally {
      if (signal.aborted && ticket !== undefined) this.#native.cancel(ticket);
    }
  }

  /** One native call in its place among the others. `start` is called at once where nothing is under way, else in turn. */
  queue<T>(start: (settle: Settle<T>) => Ticket, signal?: AbortSignal): Promise<T> {
    this.checkUsable();
    signal?.throwIfAborted();
    if (!this.#turn) return this.#track(this.run(start, signal));
    return this.inTurn((handOver) => {
      const call = this.run(start, signal);
      handOver();
      return call;
    }, signal);
  }

  /** The same for a call on a batch, whose buffer is the caller's again when this returns: what has to wait gets a copy. */
  queueBatch<T>(
    batch: CheckedBatch,
    start: (batch: CheckedBatch, settle: Settle<T>) => Ticket,
    signal?: AbortSignal,
  ): Promise<T> {
    const held = this.#turn ? copyBatch(batch) : batch;
    return this.queue<T>((settle) => start(held, settle), signal);
  }

  /**
   * Starts `work` when all earlier calls are in the native queue or done. Later calls get their turn when it calls `handOver`, at
   * the latest when it is done.
   */
  inTurn<T>(work: (handOver: () => void) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const before = this.#turn;
    let handOver: () => void = () => {};
    const handedOver = new Promise<void>((resolve) => {
      handOver = resolve;
    });
    const turn = Promise.all([before, handedOver]).then(() => {
      if (this.#turn === turn) this.#turn = undefined;
    });
    this.#turn = turn;
    const run = async () => {
      try {
        if (before) await abortable(before, signal);
        return await work(handOver);
      } finally {
        handOver();
      }
    };
    return this.#track(run());
  }

  /** A signal that also aborts when the detector is closed. */
  stopSignal(signal: AbortSignal | undefined): AbortSignal {
    return anySignal(signal, this.#closing.signal);
  }

  /** The batches one by one, in a context in which this detector refuses to be called. */
  iterate(batches: Batches): BatchSource {
    const source = openBatches('batches', batches);
    const context = { active: false };
    return {
      next: async () => {
        context.active = true;
        try {
          return await this.#iterating.run(context, source.next);
        } finally {
          context.active = false;
        }
      },
      stop: source.stop,
    };
  }

  /** Works on one batch after the other, and asks for the next one while the native side works on the last. */
  async pass(
    source: BatchSource,
    inputShape: readonly number[] | null,
    work: BatchWork,
    stop: AbortSignal,
    onProgress: ((progress: PassProgress) => void) | undefined,
  ): Promise<void> {
    const began = performance.now();
    const progress = { batches: 0, samples: 0 };
    await forEachBatch(source, stop, (given) => {
      const batch = checkBatch(given, inputShape);
      return work(batch).then(() => {
        progress.batches += 1;
        progress.samples += batch.shape[0] as number;
        onProgress?.({ ...progress, elapsedMs: performance.now() - began });
      });
    });
  }

  async #close(): Promise<void> {
    this.#closing.abort(closedError());
    await Promise.allSettled(this.#outstanding);
    await callNative<void>((settle) => this.#native.close(settle));
  }

  #track<T>(promise: Promise<T>): Promise<T> {
    const forget = () => this.#outstanding.delete(promise);
    this.#outstanding.add(promise);
    promise.then(forget, forget);
    return promise;
  }
}

function closedError(): NacueError {
  return new NacueError('ERR_NACUE_CLOSED', 'the detector was closed');
}
