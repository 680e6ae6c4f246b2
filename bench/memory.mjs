/** How much a call takes at its peak over the loaded model and the batch, each in a process of its own that has done no other work. */
import { startOurs, startPeer } from './arena.mjs';
import { inputsOf, loadInto } from './loading.mjs';
import { memoryRows } from './workload.mjs';

/** In bytes; `shares` are of pytorch-ood's. */
export async function measureMemory(env, { modes, isQuick }) {
  const measured = [];
  for (const row of memoryRows.filter(({ isSlow }) => !(isQuick && isSlow))) {
    const peaks = row.besidePeer ? { peer: await peakIn(startPeer(env), row) } : {};
    for (const mode of modesOf(row, modes)) peaks[mode.name] = await peakIn(startOurs(env, mode), row);
    measured.push({ ...row, peaks, shares: row.besidePeer ? sharesOf(peaks) : {} });
  }
  return measured;
}

/** A row with options of its own is one of the exact mode. */
function modesOf({ options }, modes) {
  if (options === undefined) return modes;
  return modes.filter(({ isExact }) => isExact).map((mode) => ({ ...mode, options: { ...mode.options, ...options } }));
}

function sharesOf(peaks) {
  return Object.fromEntries(Object.entries(peaks).map(([name, { extra }]) => [name, extra / peaks.peer.extra]));
}

async function peakIn(child, row) {
  const [single] = inputsOf({ ...row, batch: 1 }, 0).fit;
  const [measured] = inputsOf(row, 0).fit;
  await loadInto(child, row, [single, measured]);
  if (row.call === 'predict') await child.ask('fit', { files: [single.file] });
  const peak = await child.ask('peak', { call: row.call, file: measured.file });
  await child.end();
  return peak;
}
