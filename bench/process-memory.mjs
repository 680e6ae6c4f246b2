/** What Linux says of the memory of this process. */
import { readFileSync, writeFileSync } from 'node:fs';

/** `VmRSS` is what it takes now, `VmHWM` the most that it took since {@link resetPeak}. In bytes. */
export function memoryStatus(name) {
  const line = readFileSync('/proc/self/status', 'utf8').match(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm'));
  return 1024 * Number(line[1]);
}

export function resetPeak() {
  writeFileSync('/proc/self/clear_refs', '5');
}

/** Runs `work`: the bytes in use before it, and how many more it took at its peak. */
export async function peakOf(work) {
  const loaded = memoryStatus('VmRSS');
  resetPeak();
  await work();
  return { loaded, extra: memoryStatus('VmHWM') - loaded };
}
