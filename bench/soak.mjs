/** Batches of many sizes for minutes: what memory and throughput do over time. */
import { say } from '../scripts/steps/project.mjs';
import { folder, startOurs } from './arena.mjs';
import { megabytes } from './cells.mjs';
import { driftOf } from './drift.mjs';
import { imageFile } from './images.mjs';
import { loadInto } from './loading.mjs';
import { soakRow } from './workload.mjs';

const reportEveryMs = 60_000;

/** Each mode for `minutes`, one after the other. @returns per mode its rounds and what has drifted */
export async function soak(env, modes, minutes) {
  const results = {};
  for (const mode of modes) results[mode.name] = await soakIn(startOurs(env, mode), mode.name, minutes);
  return results;
}

async function soakIn(child, name, minutes) {
  const { side, batches } = soakRow;
  const inputs = batches.map((batch, i) => imageFile(folder, batch, side, i + 1));
  await loadInto(child, soakRow, inputs);
  await child.ask('fit', { files: inputs.map(({ file }) => file) });
  const rounds = await roundsFor(60e3 * minutes, child, inputs, (round) => say(`soak, ${name}`, lineOf(round)));
  await child.end();
  return { minutes, rounds, drift: driftOf(rounds) };
}

async function roundsFor(durationMs, child, inputs, onReport) {
  const samples = inputs.reduce((sum, { shape: [count] }) => sum + count, 0);
  const began = performance.now();
  const rounds = [];
  let reportAt = 0;
  for (let atMs = 0; atMs < durationMs; atMs = performance.now() - began) {
    let seconds = 0;
    for (const { file } of inputs) seconds += (await child.ask('predict', { file })).seconds;
    const { resident } = await child.ask('memory');
    const round = { atSeconds: (performance.now() - began) / 1e3, resident, samplesPerSecond: samples / seconds };
    rounds.push(round);
    if (atMs >= reportAt) {
      onReport(round);
      reportAt += reportEveryMs;
    }
  }
  return rounds;
}

function lineOf({ atSeconds, resident, samplesPerSecond }) {
  return `${atSeconds.toFixed(0)} s: ${megabytes(resident)}, ${samplesPerSecond.toPrecision(3)} samples/s`;
}
