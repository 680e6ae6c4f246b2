import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { repeats } from './repeats.js';

interface Ended {
  code: number | null;
  signal: string | null;
  output: string;
  errors: string;
}

/**
 * Runs a scenario of lifecycle/child.cjs in a process of its own; one that hangs is killed and shows as a signal.
 *
 * When LeakSanitizer itself crashes on the threads of a process that ends, it has found nothing: the scenario runs again.
 */
async function run(...scenario: string[]): Promise<Ended> {
  const ended = await runOnce(...scenario);
  return /LeakSanitizer has encountered a fatal error/.test(ended.errors) ? runOnce(...scenario) : ended;
}

function runOnce(...scenario: string[]): Promise<Ended> {
  const script = path.join(__dirname, 'lifecycle', 'child.cjs');
  // Node does not free its own memory when a process ends at once: there leaks say nothing.
  const endsAtOnce = scenario.some((word) => word === 'exit' || word === 'exception');
  const sanitizer = endsAtOnce ? { ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ''}:detect_leaks=0` } : {};
  const child = spawn(process.execPath, ['--expose-gc', script, ...scenario], {
    env: { ...process.env, ...sanitizer },
    timeout: 280_000,
    killSignal: 'SIGKILL',
  });
  let output = '';
  let errors = '';
  child.stdout.on('data', (text) => (output += text));
  child.stderr.on('data', (text) => (errors += text));
  return new Promise((resolve) =>
    child.on('close', (code, signal) => resolve({ code, signal, output: output.trim(), errors })),
  );
}

async function succeeds(output: string | RegExp, ...scenario: string[]): Promise<Ended> {
  const ended = await run(...scenario);
  assert.deepEqual([ended.code, ended.signal], [0, null], ended.errors);
  assert.match(ended.output, output instanceof RegExp ? output : new RegExp(`^${output}$`));
  return ended;
}

describe('the end of a process', function () {
  this.timeout(300_000);

  for (const state of ['idle', 'running', 'fitted', 'closed']) {
    it(`is clean when the loop is empty and a detector is ${state}`, () => succeeds('ready', 'end', state, 'normal'));
    it(`is clean at process.exit while a detector is ${state}`, () => succeeds('ready', 'end', state, 'exit'));
    it(`is an ordinary failure at an uncaught exception while a detector is ${state}`, async () => {
      const { code, signal, errors } = await run('end', state, 'exception');
      assert.deepEqual([code, signal], [1, null], errors);
      assert.match(errors, /an exception nobody catches/);
    });
  }

  it('comes without unhandled rejections when a fit fails', () => succeeds('ERR_NACUE_SHAPE', 'unhandled'));
});

describe('worker threads', function () {
  this.timeout(300_000);

  for (const state of ['running', 'fitted', 'closed']) {
    it(`may be terminated while a detector is ${state}`, () => succeeds('terminated', 'terminate', state, '8'));
  }

  it('may have a detector each, with equal results', () => succeeds('equal 4', 'workers'));
});

describe('garbage collection', function () {
  this.timeout(300_000);

  it('does not drop queued calls of a detector that nothing refers to', () => succeeds('collected', 'collect'));
  it('frees a forgotten detector and its thread', () => succeeds('forgotten true', 'forget'));
});

describe('two copies of the package', function () {
  this.timeout(300_000);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nacue-copy-'));
  after(() => fs.rmSync(folder, { recursive: true }));

  it('work side by side in one process', async () => {
    const root = path.join(__dirname, '..');
    for (const name of ['package.json', 'dist'])
      fs.cpSync(path.join(root, name), path.join(folder, name), { recursive: true });
    const own = process.env.PREBUILDS_ONLY ? 'prebuilds' : 'build';
    const binaries = process.env.NACUE_PREBUILD ?? path.join(root, own);
    for (const name of fs.readdirSync(binaries).filter((entry) => /^(loader|libtorch-)/.test(entry))) {
      fs.cpSync(path.join(binaries, name), path.join(folder, own, name), { recursive: true });
    }
    fs.cpSync(path.join(root, 'node_modules', 'node-gyp-build'), path.join(folder, 'node_modules', 'node-gyp-build'), {
      recursive: true,
    });
    await succeeds('both work', 'copies', folder);
  });
});

describe('memory', function () {
  this.timeout(300_000);
  // The sanitizers keep freed memory, so that its growth says nothing under them.
  const mostMB = process.env.ASAN_OPTIONS ? Number.POSITIVE_INFINITY : 10;
  const cycles = repeats(300, 12);

  it(`does not grow over ${cycles} cycles of create, fit and close`, async () => {
    const model = path.join(__dirname, '..', 'examples', 'demo', 'model.pt');
    const layers = ['layer1', 'layer2', 'layer3', 'avgpool'];
    const { output } = await succeeds(/^grown by -?\d+ MB$/, 'cycles', `${cycles}`, model, ...layers);
    assert.ok(Number(output.split(' ')[2]) < mostMB, output);
  });
});
