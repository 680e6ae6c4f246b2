/** How far an install is. */
export interface InstallProgress {
  /** `waiting` until the first byte arrives. */
  phase: 'waiting' | 'downloading' | 'unpacking';
  /** Bytes. */
  done: number;
  /** Bytes; null while nobody knows. */
  total: number | null;
}

export type ReportProgress = (progress: InstallProgress) => void;

const intervalMs = 250;

/** Hands on the first and the last report of each phase, and a few per second of the others. */
export function throttled(listener: ReportProgress | undefined): ReportProgress {
  let phase: InstallProgress['phase'] | undefined;
  let next = 0;
  return (progress) => {
    const now = performance.now();
    if (progress.phase === phase && progress.done !== progress.total && now < next) return;
    phase = progress.phase;
    next = now + intervalMs;
    listener?.(progress);
  };
}
