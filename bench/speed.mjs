/** One row: the same work done by pytorch-ood and by each mode, in turns, beside plain forward passes. */
import { compareScores } from './agreement.mjs';
import { interleave } from './interleave.mjs';
import { inputsOf, loadRow } from './loading.mjs';
import { summaryMs } from './statistics.mjs';

/**
 * @param {ReturnType<import('./arena.mjs').startArena>} arena
 * @param {typeof import('./workload.mjs').rows[number]} row
 * @param {typeof import('./workload.mjs').efforts.full} effort
 * @returns the row with its times, their ratios to pytorch-ood's, how far scores differ, and the operations that it takes
 */
export async function measureRow(arena, row, effort) {
  const inputs = inputsOf(row, effort.checkedSamples);
  const plans = await loadRow(arena, row, inputs);
  const fit = { files: filesIn(inputs.fit) };
  for (const child of [arena.peer, ...arena.ours.map(({ child }) => child)]) await child.ask('fit', fit);
  const agreement = await compareScores(arena, filesIn(inputs.checked));
  const operations = await arena.peer.ask('operations', { file: inputs.fit[0].file });
  const times = summariesOf(await interleave(contestants(arena, row, fit), effort));
  const ratios = Object.fromEntries(
    arena.ours.map(({ mode: { name } }) => [name, times.peer.medianMs / times[name].medianMs]),
  );
  return { ...row, plans, agreement, operations, times, ratios };
}

function contestants({ peer, peerVariants = [], ours, onnx }, { call, repeats }, fit) {
  const [file] = fit.files;
  const work = async (child, variant = {}) => {
    if (call === 'fit') return (await child.ask('fit', { ...fit, ...variant })).seconds / fit.files.length;
    return (await child.ask('predict', { file, repeats, ...variant })).seconds;
  };
  const forward = async (child) => (await child.ask('forward', { file })).seconds;
  return [
    { name: 'peer', run: () => work(peer) },
    ...peerVariants.map(({ name, values }) => ({ name, run: () => work(peer, values) })),
    ...ours.map(({ mode, child }) => ({ name: mode.name, run: () => work(child) })),
    { name: 'forward', run: () => forward(peer) },
    ...(onnx ? [{ name: 'onnxruntime', run: () => forward(onnx) }] : []),
  ];
}

function filesIn(inputs) {
  return inputs.map(({ file }) => file);
}

function summariesOf(times) {
  return Object.fromEntries(Object.entries(times).map(([name, seconds]) => [name, summaryMs(seconds)]));
}
