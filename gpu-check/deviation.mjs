/** How far the fast mode is from the parity mode on the device: AUROC on the sets of the demo, whose model is trained. */
import { startMeasurement } from '../bench/arena.mjs';
import { modesOn } from './workload.mjs';

const mostDifference = 0.003;

export function checks(context) {
  return [{ name: 'AUROC on the demo, fast beside parity', run: () => compareAurocs(context) }];
}

async function compareAurocs(context) {
  const aurocs = {};
  for (const { name, options } of modesOn(context)) aurocs[name] = await aurocsOf(options);
  const differences = Object.entries(aurocs.parity).map(([set, auroc]) => [set, Math.abs(auroc - aurocs.fast[set])]);
  return {
    measured: differences
      .map(([set, difference]) => `${set} ${aurocs.parity[set].toFixed(4)}, ${difference.toFixed(4)} apart`)
      .join('; '),
    asked: `within ${mostDifference} on every set`,
    isMet: differences.every(([, difference]) => difference <= mostDifference),
    values: aurocs,
  };
}

async function aurocsOf(options) {
  const child = startMeasurement(process.env, 'demo');
  try {
    return await child.ask('demo', { options });
  } finally {
    await child.end();
  }
}
