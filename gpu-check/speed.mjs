/** ResNet-50 beside pytorch-ood on the same device, in turns: predict of a large batch and of one image, and fit. */
import { milliseconds } from '../bench/cells.mjs';
import { measureRow } from '../bench/speed.mjs';
import { resnet50, startArena } from './workload.mjs';

const efforts = {
  full: { seconds: 20, warmUp: 4, fewest: 9, most: 60, checkedSamples: 64 },
  quick: { seconds: 4, warmUp: 4, fewest: 5, most: 20, checkedSamples: 16 },
  cpu: { seconds: 1, warmUp: 1, fewest: 1, most: 2, checkedSamples: 4 },
};

/**
 * Parity mode computes in float32 and is held against pytorch-ood in float32; fast mode against pytorch-ood as PyTorch starts, with TF32 in
 * convolutions. `mostMs` is asked for on cards of compute capability 9.
 */
const rows = [
  { title: 'predict', batch: 64, asked: { parity: 2, fast: 6 } },
  { title: 'predict', batch: 1, repeats: 20, asked: { fast: 8 }, mostMs: { fast: 2.5 } },
  { title: 'fit, per batch', call: 'fit', batch: 64, asked: { fast: 3 } },
];
const peerOf = { parity: 'peer', fast: 'peerTf32' };
const hopper = /^9\./;

export function checks(context) {
  const effort = context.cpu ? efforts.cpu : context.quick ? efforts.quick : efforts.full;
  return rows.flatMap(({ batch, mostMs = {}, ...changes }) => {
    const row = resnet50(context, batch, { ...changes, ...(context.cpu && { repeats: 1 }) });
    let measuring;
    const measure = () => (measuring ??= measured(context, row, effort));
    return Object.keys(peerOf).map((mode) => ({
      name: `${row.title}, batch ${row.batch}, ${mode}`,
      run: async () => verdict(await measure(), mode, context, mostMs[mode]),
    }));
  });
}

async function measured(context, row, effort) {
  const arena = { ...startArena(context), peerVariants: [{ name: 'peerTf32', values: { tf32: true } }] };
  try {
    return await measureRow(arena, row, effort);
  } finally {
    await arena.end();
  }
}

function verdict({ times, agreement, plans, asked }, mode, { cpu, machine }, mostMs) {
  const own = times[mode].medianMs;
  const ratio = times[peerOf[mode]].medianMs / own;
  const isBounded = mostMs !== undefined && hopper.test(machine.devices[0]?.capability);
  const wanted = [
    ...(asked[mode] === undefined ? [] : [`at least ${asked[mode]} times as fast`]),
    ...(isBounded ? [`under ${mostMs} ms`] : []),
  ];
  const others = ['peer', 'peerTf32', 'forward'].map((name) => milliseconds(times[name].medianMs));
  return {
    measured:
      `${own.toFixed(2)} ms, ${ratio.toFixed(2)} times as fast; pytorch-ood ${others[0]} ms in float32, ${others[1]} with TF32, ` +
      `its forward pass ${others[2]}; Spearman of scores ${agreement[mode].spearman.toFixed(4)}`,
    ...(!cpu && wanted.length > 0 && { asked: wanted.join(', ') }),
    isMet: !(ratio < asked[mode]) && !(isBounded && own >= mostMs),
    values: { times, ratio, agreement, plan: plans[mode] },
  };
}
