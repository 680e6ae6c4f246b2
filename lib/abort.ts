const listenersOf = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls `listener` when the signal aborts; the function returned takes that back. However many calls share a signal, it gets one
 * event listener: Node warns of a leak from the eleventh on.
 */
function onAbort(signal: AbortSignal, listener: () => void): () => void {
  let listeners = listenersOf.get(signal);
  if (!listeners) {
    const all = new Set<() => void>();
    const callAll = () => {
      for (const call of all) call();
    };
    signal.addEventListener('abort', callAll, { once: true });
    listenersOf.set(signal, all);
    listeners = all;
  }
  const added = listeners.add(listener);
  return () => void added.delete(listener);
}

/** Follows `promise`, but rejects with `signal.reason` as soon as the signal aborts; what the promise does later is dropped. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  let forget = () => {};
  const aborted = new Promise<never>((_, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    else forget = onAbort(signal, abort);
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    forget();
  }
}

/** The signals that are given, as one. */
export function anySignal(...signals: (AbortSignal | undefined)[]): AbortSignal {
  return AbortSignal.any(signals.filter((signal) => signal !== undefined));
}
