/**
 * Compares nacue live with pytorch_ood: npm run test:parity [-- [--reuse] NAME...]
 *
 * Python runs the reference detector and writes every model, batch and result to build/parity; mocha then runs
 * test/parity/*.test.ts on the same files and on the LibTorch of the Python environment, which tests find in
 * NACUE_PARITY_PYTHON. NAMEs keep the cases whose name contains one of them; --reuse keeps the Python results of the run before.
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { outputOf, quietThreads, run } from './steps/command.mjs';
import { buildNativeIfStale } from './steps/native.mjs';
import { main, Problem, root, say } from './steps/project.mjs';
import { isFresh, writeStamp } from './steps/stamp.mjs';

const sources = path.join(root, 'test', 'parity');
const environment = path.join(root, '.python', 'parity');
const python = path.join(environment, 'bin', 'python');
const results = path.join(root, 'build', 'parity');

await main(async () => {
  const { values, positionals } = parseArgs({ options: { reuse: { type: 'boolean' } }, allowPositionals: true });
  provideEnvironment();
  const libtorch = await buildForEnvironment();
  if (values.reuse) say('reference', 'the results of the run before');
  else runReference(positionals);
  compare(libtorch, positionals);
});

/** Makes the Python environment, once for each content of requirements.txt. */
function provideEnvironment() {
  const requirements = path.join(sources, 'requirements.txt');
  const wanted = readFileSync(requirements, 'utf8');
  const stamp = path.join(environment, 'installed-requirements.txt');
  if (isFresh(stamp, wanted)) return say('python', `using ${path.relative(root, environment)}`);

  const packages = wanted.trim().split('\n').join(', ');
  say('python', `installing ${packages} (5 GB) in ${path.relative(root, environment)}`);
  rmSync(environment, { recursive: true, force: true });
  run('python3', ['-m', 'venv', environment]);
  const options = [
    '--no-input',
    '--disable-pip-version-check',
    ...(process.stdout.isTTY ? [] : ['--progress-bar', 'off']),
  ];
  const env = { ...process.env, PIP_USER: '0' };
  run(python, ['-m', 'pip', 'install', ...options, '-r', requirements], { env });
  writeStamp(stamp, wanted);
}

/** Parity holds on one LibTorch, so nacue runs on the environment's; setup built for another minor where it found another. */
async function buildForEnvironment() {
  const { findLibTorch, searchLibTorch } = await import(path.join(root, 'dist', 'libtorch.js'));
  const packages = outputOf(python, ['-c', 'import sysconfig; print(sysconfig.get_path("purelib"))']);
  if (packages === null) throw new Problem(`${python} does not run.`, [`remove ${environment} and run this again`]);
  const libtorch = findLibTorch({ ...process.env, NACUE_LIBTORCH: path.join(packages, 'torch') });
  say('libtorch', `using ${libtorch.version} of the Python environment`);
  if (searchLibTorch().found?.minor !== libtorch.minor) buildNativeIfStale(libtorch);
  return libtorch.dir;
}

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
  run(python, ['-m', 'reference.run', '--out', results, ...names], { env });
}

function compare(libtorch, names) {
  say('compare', 'running nacue on every case');
  const mocha = createRequire(import.meta.url).resolve('mocha/bin/mocha.js');
  const options = ['--no-config', '--no-package', '--timeout', '600000', '--grep', names.map(escaped).join('|')];
  const env = { ...process.env, ...quietThreads, NACUE_LIBTORCH: libtorch, NACUE_PARITY_PYTHON: python };
  const tests = readdirSync(sources).filter((name) => name.endsWith('.test.ts'));
  const files = tests.sort().map((name) => path.join(sources, name));
  run(process.execPath, ['--import', 'tsx', mocha, ...options, ...files], { env });
}

function escaped(name) {
  return name.replace(/[^\w ]/g, '\\$&');
}
