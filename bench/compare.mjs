/** The rows and the costs, measured by processes that live until all are done. */
import os from 'node:os';
import { Problem, say } from '../scripts/steps/project.mjs';
import { startArena, threads } from './arena.mjs';
import { measureRow } from './speed.mjs';
import { costs, efforts } from './workload.mjs';

/** The machine, and which of `speed` and `cost` is wanted. */
export async function compare(env, { wanted, rows, modes, effort, isQuick }) {
  const arena = startArena(env, modes);
  try {
    return {
      machine: await describeMachine(arena),
      ...(wanted.includes('speed') && (await measureRows(arena, rows, effort))),
      ...(wanted.includes('cost') && { costs: await measureCosts(arena, isQuick) }),
    };
  } finally {
    await arena.end();
  }
}

async function measureRows(arena, rows, effort) {
  const rates = await arena.peer.ask('matrixProducts');
  const done = [];
  for (const row of rows) done.push(await measured(arena, row, row.name, effort));
  return { rates, rows: done };
}

async function measureCosts(arena, isQuick) {
  const effort = isQuick ? efforts.quickCost : efforts.cost;
  const done = [];
  for (const { name, points, quick } of costs) {
    const wanted = points.filter(({ value }) => !isQuick || quick.includes(value));
    done.push({ name, points: await measurePoints(arena, name, wanted, effort) });
  }
  return done;
}

async function measurePoints(arena, name, points, effort) {
  const done = [];
  for (const { value, row } of points)
    done.push({ value, ...(await measured(arena, row, `${name} = ${value}`, effort)) });
  return done;
}

async function measured(arena, row, label, effort) {
  const result = await measureRow(arena, row, effort);
  const ratios = Object.entries(result.ratios).map(([mode, ratio]) => `${mode} ${ratio.toFixed(2)}`);
  const equal = Object.entries(result.agreement).map(([mode, { equal }]) => `${mode} ${equal ? 'equal' : 'close'}`);
  say(label, `pytorch-ood's time over ours: ${ratios.join(', ')}; scores: ${equal.join(', ')}`);
  return result;
}

/** Both sides must run on the same LibTorch. */
async function describeMachine({ peer, ours }) {
  const { torch, pytorchOod } = await peer.ask('versions');
  const { libtorch } = await ours[0].child.ask('versions');
  if (libtorch.split('+')[0] !== torch.split('+')[0])
    throw new Problem(`nacue runs on LibTorch ${libtorch}, pytorch-ood on ${torch}.`);
  const processor = os.cpus()[0].model.trim();
  return { processor, cores: os.availableParallelism(), threads, node: process.version, libtorch: torch, pytorchOod };
}
