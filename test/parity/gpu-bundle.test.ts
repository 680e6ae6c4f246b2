/** The programs of the GPU bundle, on the CPU and with a Python that has PyTorch and nothing else that pytorch-ood asks for. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

interface Result {
  part: string;
  name: string;
  status: 'passed' | 'failed' | 'skipped' | 'measured';
  isExpected?: boolean;
  measured?: string;
  reason?: string;
}

const root = path.join(__dirname, '..', '..');
const python = process.env.NACUE_PARITY_PYTHON as string;
const missing = ['numpy', 'scipy', 'torchvision', 'sklearn'];

describe('bundle for a GPU, on the CPU', () => {
  let folder: string;
  let bundle: string;
  let output: ReturnType<typeof spawnSync>;
  let results: Result[];

  before(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nacue-bundle-'));
    bundle = path.join(folder, 'bundle');
    // Without the LibTorch of the Python, for which the portable binaries would be built once more.
    const env = { ...process.env, NACUE_LIBTORCH: undefined };
    const args = [path.join(root, 'scripts', 'gpu-bundle.mjs'), '--out', bundle];
    execFileSync(process.execPath, args, { env, stdio: 'pipe' });
    hidePackages();
    ({ output, results } = runBundle());
  });

  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  it('passes, and skips only what needs a GPU', () => {
    const failed = results.filter(({ status }) => status === 'failed');
    assert.deepEqual(failed, [], String(output.stderr));
    assert.ok(results.every(({ status, isExpected }) => status !== 'skipped' || isExpected));
    assert.equal(output.status, 0);
  });

  it('runs every part, and tells each check in its table', () => {
    const parts = [...new Set(results.map(({ part }) => part))];
    assert.deepEqual(parts, ['parity', 'behaviour', 'numbers', 'memory', 'copies', 'deviation', 'speed']);
    for (const { name } of results) assert.ok(String(output.stdout).includes(`| ${name} |`), name);
  });

  it('has the bits of pytorch-ood there', () => {
    const parity = results.filter(({ part }) => part === 'parity');
    for (const { measured } of parity) assert.match(String(measured), /^0 of \d+ counts differ; .* bit for bit$/);
  });

  it('goes on after a part that fails and dies, and ends with 1', () => {
    const part = [
      'export const checks = () => [',
      "  { name: 'misses', run: () => ({ measured: '1', asked: '2', isMet: false }) },",
      "  { name: 'throws', run: () => Promise.reject(new Error('on purpose')) },",
      "  { name: 'dies', run: () => process.kill(process.pid, 'SIGSEGV') && new Promise(() => {}) },",
      "  { name: 'is never reached', run: () => ({ measured: '1' }) },",
      '];',
    ];
    fs.writeFileSync(path.join(bundle, 'nacue', 'gpu-check', 'numbers.mjs'), part.join('\n'));
    const after = runBundle('numbers', 'copies');
    assert.deepEqual(
      after.results.map(({ status }) => status),
      [...Array(4).fill('failed'), ...results.filter(({ part }) => part === 'copies').map(({ status }) => status)],
    );
    assert.deepEqual(
      after.results.slice(1, 4).map(({ name, reason }) => `${name}: ${reason}`),
      [
        'throws: on purpose',
        ...['dies', 'is never reached'].map((name) => `${name}: the process ended before it (SIGSEGV)`),
      ],
    );
    assert.equal(after.output.status, 1);
  });

  function runBundle(...parts: string[]): { output: ReturnType<typeof spawnSync>; results: Result[] } {
    const env = { ...process.env, PYTHON: path.join(folder, 'python') };
    const file = path.join(bundle, 'results.json');
    fs.rmSync(file, { force: true });
    const output = spawnSync(path.join(bundle, 'run.sh'), ['--cpu', '--quick', ...parts], { env, encoding: 'utf8' });
    assert.ok(fs.existsSync(file), `${output.stdout}${output.stderr}`);
    return { output, results: JSON.parse(fs.readFileSync(file, 'utf8')).results };
  }

  /** A program that runs Python without the packages that a machine with PyTorch may lack; pytorch-ood has to come from the wheel. */
  function hidePackages(): void {
    const hidden = path.join(folder, 'hidden');
    fs.mkdirSync(hidden);
    const names = missing.map((name) => `"${name}"`).join(', ');
    // So imports fail, and importlib.util.find_spec finds nothing.
    const lines = ['import sys', `sys.modules.update(dict.fromkeys([${names}]))`];
    fs.writeFileSync(path.join(hidden, 'sitecustomize.py'), `${lines.join('\n')}\n`);
    const program = path.join(folder, 'python');
    fs.writeFileSync(program, `#!/bin/sh\nPYTHONPATH="${hidden}:$PYTHONPATH" exec "${python}" "$@"\n`, { mode: 0o755 });
  }
});
