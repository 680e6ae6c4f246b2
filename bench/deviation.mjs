/** How far each mode is from the exact one: scores on the torchvision nets of the parity tests, AUROC on the demo. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { say } from '../scripts/steps/project.mjs';
import { scoresOf } from './agreement.mjs';
import { exportDeviationNets, startMeasurement, startOurs } from './arena.mjs';
import { imageFile } from './images.mjs';
import { deviation } from './statistics.mjs';
import { modes } from './workload.mjs';

const batch = 16;
const batches = { fit: 4, scored: 8 };

/** @returns `nets`, each mode's deviation by net; `demo`, its AUROC by set; both of the exact mode first, whatever was `chosen` */
export async function measureDeviation(env, chosen) {
  const compared = modes.filter((mode) => mode.isExact || chosen.includes(mode));
  const demo = {};
  for (const { name, options } of compared) demo[name] = await demoAurocs(env, options);
  return { nets: await measureNets(env, compared), demo };
}

async function demoAurocs(env, options) {
  const child = startMeasurement(env, 'demo');
  const aurocs = await child.ask('demo', { options });
  await child.end();
  return aurocs;
}

async function measureNets(env, compared) {
  const folder = exportDeviationNets(env);
  const nets = JSON.parse(readFileSync(path.join(folder, 'index.json'), 'utf8'));
  const ours = compared.map((mode) => ({ mode, child: startOurs(env, mode) }));
  try {
    const measured = [];
    for (const net of nets) measured.push(await measureNet(ours, net, folder));
    return measured;
  } finally {
    await Promise.all(ours.map(({ child }) => child.end()));
  }
}

async function measureNet(ours, { name, torchscript, side, options }, folder) {
  const made = (count, seed) => Array.from({ length: count }, (_, i) => imageFile(folder, batch, side, seed + i));
  const [fit, scored] = [made(batches.fit, 1), made(batches.scored, 1001)];
  const scores = [];
  for (const { child } of ours) {
    await child.ask('read', { inputs: [...fit, ...scored] });
    await child.ask('load', { files: { torchscript: path.join(folder, torchscript) }, options });
    await child.ask('fit', { files: fit.map(({ file }) => file) });
    scores.push(
      await scoresOf(
        child,
        scored.map(({ file }) => file),
      ),
    );
  }
  const deviations = ours.map(({ mode }, i) => [mode.name, deviation(scores[0], scores[i])]);
  say(name, deviations.map(([mode, { spearman }]) => `${mode} ${spearman.toFixed(5)}`).join(', '));
  return { name, deviations: Object.fromEntries(deviations) };
}
