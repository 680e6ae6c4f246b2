/**
 * npm run bench: nacue beside pytorch-ood, both on one LibTorch and with the same threads, taking turns. Nothing else should run beside it;
 * only ratios within one run count.
 *
 *     npm run bench                              all that docs/benchmarks.md quotes; results in build/bench/results.json
 *     npm run bench -- --write                   the same, and writes docs/benchmarks.md and its chart
 *     npm run bench -- --quick                   speed and memory alone, in less than 3 minutes
 *     npm run bench -- speed --rows resnet18-1   parts of it: speed, memory, cost, deviation, alone, soak
 *     npm run bench -- cost alone --quick        any of them in a shorter form, where it has one
 *     npm run bench -- soak --minutes 60         memory and throughput over an hour; fails when one drifts
 *     npm run bench -- profile --mode fast       where the time of a predict goes, of one mode alone
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { main, Problem, root, say } from '../scripts/steps/project.mjs';
import { measureAlone } from './alone.mjs';
import { filesOf, folder, prepare, startOurs } from './arena.mjs';
import { readArguments } from './arguments.mjs';
import { chart } from './chart.mjs';
import { compare } from './compare.mjs';
import { measureDeviation } from './deviation.mjs';
import { writeDocs } from './docs.mjs';
import { measureMemory } from './memory.mjs';
import { report } from './report.mjs';
import { soak } from './soak.mjs';
import { profileTable } from './tables.mjs';

await main(async () => {
  const chosen = readArguments(process.argv.slice(2));
  const env = await prepare();
  if (chosen.wanted.includes('profile')) return profile(env, chosen);
  const results = await measure(env, chosen);
  const markdown = report(results);
  console.log(`\n${markdown}\n`);
  writeResults(results);
  if (chosen.isWrite) writeDocs({ markdown, rows: results.rows });
  const drifted = Object.entries(results.soak ?? {}).filter(([, { drift }]) => drift.length > 0);
  if (drifted.length > 0)
    throw new Problem(drifted.map(([mode, { drift }]) => `${mode}: ${drift.join('; ')}`).join('\n'));
});

async function measure(env, chosen) {
  const { wanted, modes, minutes } = chosen;
  return {
    ...(await compare(env, chosen)),
    ...(wanted.includes('memory') && { memory: await measureMemory(env, chosen) }),
    ...(wanted.includes('deviation') && { deviation: await measureDeviation(env, modes) }),
    ...(wanted.includes('alone') && { alone: await measureAlone(env, chosen) }),
    ...(wanted.includes('soak') && { soak: await soak(env, modes, minutes) }),
  };
}

function writeResults(results) {
  const write = (name, text) => {
    const file = path.join(folder, name);
    writeFileSync(file, text);
    say('results', path.relative(root, file));
  };
  write('results.json', `${JSON.stringify(results, null, 2)}\n`);
  if (results.rows) write('results.svg', chart(results.rows));
}

async function profile(env, { modes, rows, effort }) {
  for (const mode of modes) {
    const child = startOurs(env, mode, 'profile.mjs');
    for (const row of rows.filter(({ call }) => call === 'predict')) {
      const stages = await child.ask('profile', { row, files: filesOf(row.model), effort });
      console.log(`\n${profileTable(`${row.title}, ${mode.name}`, stages)}`);
    }
    await child.end();
  }
}
