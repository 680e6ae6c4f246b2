/**
 * How far each mode is from the exact one: scores on the torchvision nets of the parity tests, AUROC on the demo. So that it can be told how
 * much of it is the nature of float32, also how far pytorch-ood in float64 is from it.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { say } from '../scripts/steps/project.mjs';
import { scoresOf } from './agreement.mjs';
import { exportDeviationNets, startFloat64Peer, startMeasurement, startOurs } from './arena.mjs';
import { imageFile } from './images.mjs';
import { deviation } from './statistics.mjs';
import { modes } from './workload.mjs';

const batch = 16;
const batches = { fit: 4, scored: 8 };

/** @returns `nets`, by net each mode's deviation and `float64`; `demo`, AUROC by set; both of the exact mode first, whatever was `chosen` */
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
  const contestants = compared.map((mode) => ({ name: mode.name, child: startOurs(env, mode) }));
  contestants.push({ name: 'float64', child: startFloat64Peer(env) });
  try {
    const measured = [];
    for (const net of nets) measured.push(await measureNet(contestants, net, folder));
    return measured;
  } finally {
    await Promise.all(contestants.map(({ child }) => child.end()));
  }
}

async function measureNet(contestants, { name: net, torchscript, side, options }, folder) {
  const made = (count, seed) => Array.from({ length: count }, (_, i) => imageFile(folder, batch, side, seed + i));
  const [fit, scored] = [made(batches.fit, 1), made(batches.scored, 1001)];
  const namesOf = (files) => files.map(({ file }) => file);
  const deviations = {};
  let exact;
  for (const { name, child } of contestants) {
    await child.ask('read', { inputs: [...fit, ...scored] });
    await child.ask('load', { net, files: { torchscript: path.join(folder, torchscript) }, options });
    await child.ask('fit', { files: namesOf(fit) });
    const scores = await scoresOf(child, namesOf(scored));
    exact ??= scores;
    deviations[name] = deviation(exact, scores);
  }
  say(
    net,
    Object.entries(deviations)
      .map(([name, { spearman }]) => `${name} ${spearman.toFixed(5)}`)
      .join(', '),
  );
  return { name: net, deviations };
}
