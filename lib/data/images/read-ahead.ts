import { abortable } from '../../abort.js';

export interface ReadAheadOptions {
  /** How many are read at the same time. */
  atOnce: number;
  /** How many may be under way or done before they are asked for. */
  ahead: number;
  signal: AbortSignal;
}

/** Reads 0 to count - 1 and gives them in order. Goes on while the caller works; when it ends, nothing is left running. */
export async function* readAhead<T>(
  count: number,
  read: (position: number) => Promise<T>,
  { atOnce, ahead, signal }: ReadAheadOptions,
): AsyncGenerator<T> {
  const results = new Map<number, Promise<T>>();
  let started = 0;
  let running = 0;
  let given = 0;
  let stopped = false;
  const readOne = async (position: number) => {
    try {
      return await read(position);
    } finally {
      running -= 1;
      fill();
    }
  };
  const fill = () => {
    while (!stopped && running < atOnce && started < count && started - given < ahead) {
      running += 1;
      const result = readOne(started);
      result.catch(() => {}); // awaited in its turn; until then it must not count as unhandled
      results.set(started, result);
      started += 1;
    }
  };
  try {
    for (; given < count; given += 1) {
      fill();
      const result = await abortable(results.get(given) as Promise<T>, signal);
      results.delete(given);
      yield result;
    }
  } finally {
    stopped = true;
    await Promise.allSettled(results.values());
  }
}
