/**
 * What run.sh starts: runs every part in a process of its own, so that none hides the others, prints one table and writes one JSON.
 * Ends with 1 when a check failed, or was skipped on a machine that should have run it.
 */
import { fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { folder } from '../bench/arena.mjs';
import { table } from '../bench/cells.mjs';
import { run } from '../scripts/steps/command.mjs';
import { main, Problem, root, say } from '../scripts/steps/project.mjs';
import { isFresh, writeStamp } from '../scripts/steps/stamp.mjs';

/** In the order in which they run; `minutes` is when a part counts as stuck, `preload` a library of the bundle. */
const parts = [
  { name: 'parity', minutes: 5 },
  { name: 'behaviour', minutes: 5 },
  { name: 'numbers', minutes: 5 },
  { name: 'memory', minutes: 6 },
  { name: 'copies', minutes: 4, preload: 'cuda_calls.so' },
  { name: 'deviation', minutes: 4 },
  { name: 'speed', minutes: 8 },
];
const minor = '2.11';

await main(async () => {
  const { values, wanted } = readArguments();
  const machine = describeMachine(values.python, values.cpu);
  const context = { ...values, machine, wheel: wheelIn(values.bundle), device: values.cpu ? 'cpu' : 'cuda' };
  const env = { ...process.env, NACUE_LIBTORCH: machine.folder, ...(values.cpu && { CUDA_VISIBLE_DEVICES: '' }) };
  exportModels(values.python, env, machine.torch);
  const results = [];
  for (const part of wanted) results.push(...(await runPart(part, context, env)));
  report(results, context);
  if (results.some(({ status, isExpected }) => status === 'failed' || (status === 'skipped' && !isExpected)))
    process.exitCode = 1;
});

function readArguments() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      python: { type: 'string', default: 'python3' },
      bundle: { type: 'string', default: path.dirname(root) },
      cpu: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      out: { type: 'string' },
    },
  });
  const unknown = positionals.find((name) => !parts.some((part) => part.name === name));
  if (unknown !== undefined)
    throw new Problem(`There is no part '${unknown}'; there are ${parts.map(({ name }) => name).join(', ')}.`);
  const wanted = positionals.length > 0 ? parts.filter(({ name }) => positionals.includes(name)) : parts;
  const { out = path.join(values.bundle, 'results.json') } = values;
  // The processes run in another folder than this one.
  const python = values.python.includes('/') ? path.resolve(values.python) : values.python;
  return { values: { ...values, python, out: path.resolve(out) }, wanted };
}

/** @throws Problem where this bundle cannot run */
function describeMachine(python, isCpu) {
  const { status, stdout, stderr } = spawnSync(python, [path.join(root, 'gpu-check', 'machine.py')], {
    encoding: 'utf8',
  });
  if (status !== 0)
    throw new Problem(`${python} has no PyTorch that works:\n${stderr}`, [
      `PYTHON=FILE ./run.sh, a Python with torch ${minor}`,
    ]);
  const machine = { ...JSON.parse(stdout), processor: os.cpus()[0].model.trim(), node: process.version };
  if (!machine.torch.startsWith(`${minor}.`))
    throw new Problem(`This bundle is made for torch ${minor}, ${python} has ${machine.torch}.`);
  if (machine.devices.length === 0 && !isCpu)
    throw new Problem('PyTorch sees no GPU here.', ['./run.sh --cpu tries what can be tried without one']);
  const devices = machine.devices.map(({ name }) => name).join(', ') || 'no GPU';
  say('machine', `torch ${machine.torch}, ${isCpu ? `the CPU alone (${machine.processor})` : devices}`);
  return machine;
}

function wheelIn(bundle) {
  const name = readdirSync(bundle).find((file) => /^pytorch_ood-.*\.whl$/.test(file));
  if (name === undefined) throw new Problem(`${bundle} holds no wheel of pytorch-ood.`, ['run `npm run gpu:bundle`']);
  return path.join(bundle, name);
}

/** Once for each version of PyTorch. */
function exportModels(python, env, version) {
  const stamp = path.join(folder, '.models');
  if (isFresh(stamp, version)) return;
  say('models', 'writing ResNets with random weights');
  const args = [path.join(root, 'bench', 'export_models.py'), folder, 'resnet18', 'resnet50', '--models', 'resnet'];
  run(python, args, { env: { ...env, PYTHONPATH: path.join(root, 'gpu-check') } });
  writeStamp(stamp, version);
}

/** The results of a part: of checks that its process never came to, too. */
async function runPart({ name, minutes, preload }, context, env) {
  const child = fork(path.join(root, 'gpu-check', 'part.mjs'), [JSON.stringify({ ...context, part: name })], {
    execArgv: ['--disable-warning=NACUE_CHANNELS_LAST'], // that is on purpose in numbers.mjs
    env: { ...env, ...(preload && !context.cpu && preloading(path.join(context.bundle, preload))) },
  });
  const exited = once(child, 'exit');
  const results = [];
  let planned = [name];
  child.on('message', (message) => {
    if (message.planned) planned = message.planned;
    if (!message.result) return;
    results.push(message.result);
    say(name, lineOf(message.result));
  });
  const timer = new AbortController();
  const stop = () => child.kill('SIGKILL');
  after(60e3 * minutes, undefined, { signal: timer.signal }).then(stop, () => {});
  const [code, signal] = await exited;
  timer.abort();
  const missing = planned.filter((check) => !results.some((result) => result.name === check));
  const reason = `the process ended before it (${signal ?? `exit code ${code}`})`;
  return [...results, ...missing.map((check) => ({ part: name, name: check, status: 'failed', reason }))];
}

function preloading(library) {
  const counts = path.join(folder, 'cuda-calls');
  rmSync(counts, { force: true }); // those of an earlier run
  return { LD_PRELOAD: library, NACUE_CUDA_CALLS: counts };
}

function lineOf({ name, status, measured, reason }) {
  return [`${status.padEnd(8)} ${name}`, measured, reason].filter(Boolean).join(': ');
}

function report(results, { machine, out, bundle, cpu, quick }) {
  const cell = (text) =>
    String(text ?? '')
      .replace(/\s+/g, ' ')
      .replaceAll('|', '\\|');
  const rows = results.map(({ part, name, measured, asked, status, reason }) =>
    [part, name, measured, asked, [status, reason].filter(Boolean).join(': ')].map(cell),
  );
  console.log(`\n${table(['part', 'check', 'measured', 'asked for', 'result'], rows)}\n`);
  const contents = JSON.parse(readFileSync(path.join(bundle, 'bundle.json'), 'utf8'));
  const text = JSON.stringify({ bundle: contents, machine, cpu, quick, results }, null, 2);
  writeFileSync(out, `${text}\n`);
  const count = (status) => results.filter((result) => result.status === status).length;
  say('result', ['passed', 'failed', 'skipped', 'measured'].map((status) => `${count(status)} ${status}`).join(', '));
  say('result', out);
}
