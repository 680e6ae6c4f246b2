/**
 * Compares nacue live with pytorch_ood: npm run test:parity [-- [--prepare | --reuse] NAME...]
 *
 * Python runs the reference detector and writes every model, batch and result to build/parity; mocha then runs
 * test/parity/*.test.ts on the same files and on the LibTorch of the Python environment, which tests find in
 * NACUE_PARITY_PYTHON. NAMEs keep the cases whose name contains one of them; --reuse keeps the Python results of the run before.
 * --prepare only installs the environment.
 */
import { readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { quietThreads, run } from './steps/command.mjs';
import { runMochaFiles } from './steps/mocha.mjs';
import { buildForParityEnvironment, parityPython, provideParityEnvironment } from './steps/parity_environment.mjs';
import { main, root, say } from './steps/project.mjs';

const sources = path.join(root, 'test', 'parity');
const results = path.join(root, 'build', 'parity');

await main(async () => {
  const { values, positionals } = parseArgs({
    options: { prepare: { type: 'boolean' }, reuse: { type: 'boolean' } },
    allowPositionals: true,
  });
  provideParityEnvironment();
  if (values.prepare) return;
  const libtorch = await buildForParityEnvironment();
  if (values.reuse) say('reference', 'the results of the run before');
  else runReference(positionals);
  await compare(libtorch, positionals);
});

function runReference(names) {
  say('reference', 'running pytorch-ood on every case');
  rmSync(results, { recursive: true, force: true });
  const env = {
    ...process.env,
    ...quietThreads,
    PYTHONPATH: sources,
    PYTHONDONTWRITEBYTECODE: '1',
    HF_HUB_OFFLINE: '1',
  };
  run(parityPython, ['-m', 'reference.run', '--out', results, ...names], { env });
}

async function compare(libtorch, names) {
  say('compare', 'running nacue on every case');
  const mocha = createRequire(import.meta.url).resolve('mocha/bin/mocha.js');
  const args = ['--no-config', '--no-package', '--timeout', '600000', '--grep', names.map(escaped).join('|')];
  const env = { ...process.env, ...quietThreads, NACUE_LIBTORCH: libtorch, NACUE_PARITY_PYTHON: parityPython };
  const tests = readdirSync(sources).filter((name) => name.endsWith('.test.ts'));
  const files = tests.sort().map((name) => path.join(sources, name));
  await runMochaFiles(mocha, files, { node: ['--import', 'tsx'], args, env });
}

function escaped(name) {
  return name.replace(/[^\w ]/g, '\\$&');
}
