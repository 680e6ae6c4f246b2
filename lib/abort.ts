interface Listeners {
  all: Set<() => void>;
  /** What the signal itself calls. */
  callAll: () => void;
}

const listenersOf = new WeakMap<AbortSignal, Listeners>();

/**
 * Calls `listener` when the signal aborts; the function returned takes that back. However many calls share a signal, it gets one
 * event listener: Node warns of a leak from the eleventh on. The last call takes it away: a signal made of others lives as long as it has
 * one.
 */
function onAbort(signal: AbortSignal, listener: () => void): () => void {
  const listeners = listenersOf.get(signal) ?? listenTo(signal);
  listeners.all.add(listener);
  return () => {
    listeners.all.delete(listener);
    if (listeners.all.size > 0 || listenersOf.get(signal) !== listeners) return;
    listenersOf.delete(signal);
    signal.removeEventListener('abort', listeners.callAll);
  };
}

function listenTo(signal: AbortSignal): Listeners {
  const all = new Set<() => void>();
  const callAll = () => {
    for (const call of all) call();
  };
  signal.addEventListener('abort', callAll, { once: true });
  const listeners = { all, callAll };
  listenersOf.set(signal, listeners);
  return listeners;
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
