import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type Environment, findLibTorch, searchLibTorch } from '../dist/libtorch/search.js';

const root = path.join(__dirname, '..');
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nacue libtorch '));
after(() => fs.rmSync(folder, { recursive: true }));

/** Writes files, given by name and content, into a new folder below `folder`. */
function tree(name: string, files: Record<string, string>): string {
  for (const [file, content] of Object.entries(files)) {
    const target = path.join(folder, name, file);
    fs.mkdirSync(path.dirname(target), { recursive: true });
    fs.writeFileSync(target, content, { mode: 0o755 });
  }
  return path.join(folder, name);
}

const library = { 'lib/libtorch_cpu.so': '' };
const versionPy = (version: string) => ({ 'version.py': `__version__ = '${version}'\n` });
const versionH = '#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 12\n#define TORCH_VERSION_PATCH 1\n';
/** Nothing set, nothing cached, no Python. */
const nowhere = { PATH: path.join(folder, 'bin'), NACUE_CACHE_DIR: path.join(folder, 'no cache') };

function fails(env: Environment, code: string, ...messages: RegExp[]): void {
  assert.throws(
    () => findLibTorch(env),
    (error: Error & { code?: string }) => {
      assert.equal(error.code, code);
      for (const message of messages) assert.match(error.message, message);
      return true;
    },
  );
}

describe('findLibTorch with NACUE_LIBTORCH', () => {
  const cases: [string, Record<string, string>, string][] = [
    ['a wheel by its version.py', { ...library, ...versionPy('2.11.0+cu130') }, '2.11.0+cu130'],
    ['a plain LibTorch by its build-version', { ...library, 'build-version': '2.12.0+cpu\n' }, '2.12.0+cpu'],
    ['headers by version.h', { ...library, 'include/torch/headeronly/version.h': versionH }, '2.12.1'],
  ];
  for (const [name, files, version] of cases) {
    it(`reads the version of ${name}`, () => {
      const dir = tree(name, files);
      const minor = version.slice(0, 4);
      assert.deepEqual(findLibTorch({ ...nowhere, NACUE_LIBTORCH: dir }), {
        dir,
        version,
        minor,
        source: 'NACUE_LIBTORCH',
      });
    });
  }

  it('takes the folder above torch/, as pip --target makes it', () => {
    const dir = tree('target', { 'torch/lib/libtorch_cpu.so': '', 'torch/version.py': "__version__ = '2.15.0'\n" });
    assert.equal(findLibTorch({ ...nowhere, NACUE_LIBTORCH: dir }).dir, path.join(dir, 'torch'));
  });

  const good = tree('cache/libtorch/2.11.0/torch', { ...library, ...versionPy('2.11.0') });
  const withCache = { ...nowhere, NACUE_CACHE_DIR: path.join(good, '../../..') };
  const bad: [string, string, string, RegExp][] = [
    ['a missing folder', path.join(folder, 'none'), 'ERR_NACUE_LIBTORCH_NOT_FOUND', /no such folder/],
    ['a folder without LibTorch', tree('empty', { 'a.txt': '' }), 'ERR_NACUE_LIBTORCH_NOT_FOUND', /holds neither/],
    ['a folder without a version', tree('silent', library), 'ERR_NACUE_LIBTORCH_NOT_FOUND', /does not say its version/],
    [
      'a LibTorch too old',
      tree('old', { ...library, ...versionPy('2.9.1') }),
      'ERR_NACUE_LIBTORCH_VERSION',
      /2\.9\.1 is too old/,
    ],
  ];
  for (const [name, dir, code, message] of bad) {
    it(`refuses ${name} instead of taking the cache`, () => {
      fails({ ...withCache, NACUE_LIBTORCH: dir }, code, message, /1\. set NACUE_LIBTORCH/);
    });
  }
});

describe('findLibTorch without NACUE_LIBTORCH', () => {
  const python = (torch: string) => `#!/bin/sh\necho '${torch}'\n`;

  it('takes the newest complete version of the cache before the Python on PATH', () => {
    const cache = tree('caches', {
      'libtorch/2.9.0/torch/lib/libtorch_cpu.so': '',
      'libtorch/2.9.0/torch/version.py': "__version__ = '2.9.0'",
      'libtorch/2.11.0/torch/lib/libtorch_cpu.so': '',
      'libtorch/2.11.0/torch/version.py': "__version__ = '2.11.0'",
      'libtorch/2.15.0.partial-1/torch/lib/libtorch_cpu.so': '',
      'libtorch/2.15.0.partial-1/torch/version.py': "__version__ = '2.15.0'",
      'bin/python3': python(path.join(folder, 'a wheel by its version.py')),
    });
    const found = findLibTorch({ PATH: path.join(cache, 'bin'), NACUE_CACHE_DIR: cache });
    assert.deepEqual([found.version, found.source], ['2.11.0', 'cache']);
  });

  it('asks the Python on PATH, which does not import torch', () => {
    const torch = tree('site/torch', {
      ...library,
      ...versionPy('2.15.0'),
      '__init__.py': 'raise SystemExit("imported")',
    });
    const env = {
      ...process.env,
      ...nowhere,
      LD_PRELOAD: undefined, // under the sanitizers: Python leaks by design
      PATH: process.env.PATH,
      PYTHONPATH: path.dirname(torch),
      NACUE_LIBTORCH: '',
    };
    const { found } = searchLibTorch(env);
    assert.deepEqual([found?.dir, found?.source], [torch, 'python3 on PATH']);
  });

  it('passes over a torch that is too old, and says so', () => {
    const old = tree('old torch', { ...library, ...versionPy('2.4.0') });
    const bin = tree('old python/bin', { python3: python(old) });
    fails(
      { ...nowhere, PATH: bin },
      'ERR_NACUE_LIBTORCH_VERSION',
      /python3 on PATH.*2\.4\.0 is too old/,
      /python on PATH: not installed/,
    );
  });

  it('lists each place, what was there, and the fixes', () => {
    fails(
      nowhere,
      'ERR_NACUE_LIBTORCH_NOT_FOUND',
      /NACUE_LIBTORCH: not set/,
      /no cache\/libtorch: empty/,
      /python3 on PATH: not installed/,
      /1\. install python3 and pip, then run `npm run setup`/,
      /3\. set NACUE_LIBTORCH/,
    );
  });

  it('repeats what a failing Python says', () => {
    const bin = tree('failing/bin', { python3: '#!/bin/sh\necho "no such codec" >&2\nexit 3\n' });
    fails({ ...nowhere, PATH: bin }, 'ERR_NACUE_LIBTORCH_NOT_FOUND', /python3 on PATH: no such codec/);
  });
});

describe('loading the addon', () => {
  /** Loads the binding in a fresh process and returns the code and the message of its failure. */
  function load(env: Environment): { code: string; message: string } {
    const script = `try { require('./dist/addon/open.js').loadBinding() }
      catch ({ code, message }) { console.log(JSON.stringify({ code, message })) }`;
    const child = spawnSync(process.execPath, ['-e', script], {
      cwd: root,
      env: { ...process.env, ...env },
      encoding: 'utf8',
    });
    assert.equal(child.stderr, '');
    return JSON.parse(child.stdout) as { code: string; message: string };
  }

  it('names the LibTorch and the binaries there are when none fits', () => {
    const prebuilt = tree('prebuilt', { 'libtorch-2.10/x': '', 'loader/x': '' });
    const { code, message } = load({ NACUE_PREBUILD: prebuilt });
    assert.equal(code, 'ERR_NACUE_LIBTORCH_VERSION');
    assert.match(message, /no nacue binary was built for LibTorch 2\.\d+\.\d+/);
    assert.match(message, /only for LibTorch 2\.10\n/);
    assert.match(message, /1\. unset NACUE_PREBUILD and run `npm run setup`/);
  });

  it("repeats the dynamic linker's text when a library is damaged", () => {
    const { version } = findLibTorch();
    const files = { 'lib/libc10.so': 'no ELF', 'lib/libtorch_cpu.so': 'no ELF', ...versionPy(version) };
    const { code, message } = load({ NACUE_LIBTORCH: tree('damaged', files) });
    assert.equal(code, 'ERR_NACUE_LOAD_FAILED');
    assert.match(message, /libc10\.so cannot be opened: .*(invalid ELF header|file too short)/);
    assert.match(message, /2\. set NACUE_LIBTORCH to a complete LibTorch/);
  });
});
