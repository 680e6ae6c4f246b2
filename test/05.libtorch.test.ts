import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { readElf } from '../dist/libtorch/elf.js';
import { type Environment, findLibTorch, searchLibTorch } from '../dist/libtorch/search.js';

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
    () => findLibTorch({ open: null, env }),
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
      assert.deepEqual(findLibTorch({ open: null, env: { ...nowhere, NACUE_LIBTORCH: dir } }), {
        dir,
        version,
        minor,
        source: 'NACUE_LIBTORCH',
      });
    });
  }

  it('takes the folder above torch/, as pip --target makes it', () => {
    const dir = tree('target', { 'torch/lib/libtorch_cpu.so': '', 'torch/version.py': "__version__ = '2.15.0'\n" });
    assert.equal(findLibTorch({ open: null, env: { ...nowhere, NACUE_LIBTORCH: dir } }).dir, path.join(dir, 'torch'));
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
  const python = (torch: string) => `#!/bin/sh\necho 'torch lies in ${torch}'\necho bye\n`;

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
    const found = findLibTorch({ open: null, env: { PATH: path.join(cache, 'bin'), NACUE_CACHE_DIR: cache } });
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
    const { found } = searchLibTorch({ open: null, env });
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
      /1\. install python3 and pip, then run `(npm run setup|npx nacue libtorch install)`/,
      /3\. set NACUE_LIBTORCH/,
    );
  });

  it('runs nothing that lies in the working folder', () => {
    const dir = tree('working folder', {
      'contextlib.py': 'raise SystemExit("ran")',
      'importlib/__init__.py': 'raise SystemExit("ran")',
    });
    const script = `const { searchLibTorch } = require(${JSON.stringify(path.join(__dirname, '..', 'dist', 'libtorch', 'search.js'))});
      console.log(JSON.stringify(searchLibTorch({ all: true }).candidates));`;
    const env = { PATH: process.env.PATH, NACUE_CACHE_DIR: path.join(folder, 'no cache') };
    const { stdout } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8', cwd: dir, env });
    assert.match(stdout, /python3 on PATH/);
    assert.doesNotMatch(stdout, /"ran"/);
  });

  it('repeats what a failing Python says', () => {
    const bin = tree('failing/bin', { python3: '#!/bin/sh\necho "no such codec" >&2\nexit 3\n' });
    fails({ ...nowhere, PATH: bin }, 'ERR_NACUE_LIBTORCH_NOT_FOUND', /python3 on PATH: no such codec/);
  });
});

describe('findLibTorch for given binaries', () => {
  const install = (name: string, version: string) => tree(name, { ...library, ...versionPy(version) });

  it('passes over a version without a binary and takes the next', () => {
    const cache = tree('newer cache', {
      'libtorch/2.20.0/torch/lib/libtorch_cpu.so': '',
      'libtorch/2.20.0/torch/version.py': "__version__ = '2.20.0'",
      'libtorch/2.15.0/torch/lib/libtorch_cpu.so': '',
      'libtorch/2.15.0/torch/version.py': "__version__ = '2.15.0'",
    });
    const env = { ...nowhere, NACUE_CACHE_DIR: cache };
    const { found, candidates } = searchLibTorch({ open: null, env, minors: ['2.11', '2.15'] });
    assert.equal(found?.version, '2.15.0');
    assert.match(
      candidates[1]?.rejected ?? '',
      /2\.20\.0, for which nacue has no binary here \(it has those for 2\.11 and 2\.15\)/,
    );
  });

  it('names the found and the supported versions and the build as a fix when none fits', () => {
    assert.throws(
      () =>
        findLibTorch({
          open: null,
          env: { ...nowhere, NACUE_LIBTORCH: install('newest', '2.20.0') },
          minors: ['2.11', '2.15'],
        }),
      {
        code: 'ERR_NACUE_LIBTORCH_VERSION',
        message:
          /it has those for 2\.11 and 2\.15\.[\s\S]*LibTorch 2\.20\.0[\s\S]*3\. run `(npm run build|npx nacue build)`/,
      },
    );
  });

  it('does not propose a build for a LibTorch that is too old for that', () => {
    assert.throws(
      () =>
        findLibTorch({
          open: null,
          env: { ...nowhere, NACUE_LIBTORCH: install('oldest', '2.4.0') },
          minors: ['2.11', '2.15'],
        }),
      (error: Error & { code?: string }) =>
        error.code === 'ERR_NACUE_LIBTORCH_VERSION' && !/npm run build|npx nacue build/.test(error.message),
    );
  });

  it('goes on after the one it takes when all are asked for', () => {
    const bin = tree('other python/bin', {
      python3: `#!/bin/sh\necho 'torch lies in ${install('second', '2.11.0')}'\n`,
    });
    const cache = tree('one in cache', {
      'libtorch/2.11.0/lib/libtorch_cpu.so': '',
      'libtorch/2.11.0/version.py': "__version__ = '2.11.0'",
    });
    const { found, candidates } = searchLibTorch({ open: null, env: { PATH: bin, NACUE_CACHE_DIR: cache }, all: true });
    assert.equal(found?.source, 'cache');
    assert.deepEqual(
      candidates.map(({ rejected }) => rejected),
      ['not set', null, 'not needed', 'not installed'],
    );
  });

  // The first 20 of the 64 bytes of an ELF header tell class, byte order and machine.
  const elf = (bits: number, machine: number) =>
    `\x7fELF${String.fromCharCode(bits === 32 ? 1 : 2, 1, 1)}${'\0'.repeat(9)}\x03\0${String.fromCharCode(machine)}\0`;
  const foreign: [string, string, RegExp][] = [
    ['a 32-bit library', elf(32, 3), /is a 32-bit library for x86, this is Node\.js for x64/],
    ['a library for ARM', elf(64, 183), /is a 64-bit library for arm64, this is Node\.js for x64/],
  ];
  for (const [name, header, message] of foreign) {
    it(`refuses ${name} before anything is opened`, function () {
      if (process.arch !== 'x64') this.skip();
      const dir = path.join(folder, name);
      fs.mkdirSync(path.join(dir, 'lib'), { recursive: true });
      fs.writeFileSync(
        path.join(dir, 'lib', 'libtorch_cpu.so'),
        Buffer.concat([Buffer.from(header, 'latin1'), Buffer.alloc(44)]),
      );
      fs.writeFileSync(path.join(dir, 'version.py'), "__version__ = '2.11.0'");
      fails({ ...nowhere, NACUE_LIBTORCH: dir }, 'ERR_NACUE_LOAD_FAILED', message, /cannot be used/);
    });
  }
});

describe('findLibTorch and damage', () => {
  it('refuses a library that was cut, which would end the process', () => {
    const dir = tree('cut', { ...library, ...versionPy('2.11.0') });
    const whole = fs.readFileSync(process.execPath);
    fs.writeFileSync(path.join(dir, 'lib', 'libtorch_cpu.so'), whole.subarray(0, whole.length / 2));
    fails(
      { ...nowhere, NACUE_LIBTORCH: dir },
      'ERR_NACUE_LOAD_FAILED',
      /libtorch_cpu\.so is cut: it has \d+ bytes of \d+/,
    );
  });

  it('refuses a folder in the place of a library', () => {
    const dir = tree('half', { ...library, ...versionPy('2.11.0') });
    fs.mkdirSync(path.join(dir, 'lib', 'libc10.so'));
    fails({ ...nowhere, NACUE_LIBTORCH: dir }, 'ERR_NACUE_LOAD_FAILED', /libc10\.so is no file/);
  });

  it('says of a place that it may not be read, and goes on to the next', function () {
    if (process.getuid?.() !== 0) this.skip(); // an ordinary user cannot become another one
    const locked = tree('locked', { 'libtorch/2.11.0/torch/x': '' });
    fs.chmodSync(folder, 0o755);
    fs.chmodSync(path.join(locked, 'libtorch'), 0o700);
    const script = `const { searchLibTorch } = require(${JSON.stringify(path.join(__dirname, '..', 'dist', 'libtorch', 'search.js'))});
      const env = ${JSON.stringify({ PATH: '', NACUE_CACHE_DIR: locked })};
      console.log(JSON.stringify([searchLibTorch({ open: null, env }), searchLibTorch({ open: null, env: { ...env, NACUE_LIBTORCH: env.NACUE_CACHE_DIR + '/libtorch/2.11.0' } })]))`;
    const child = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8', uid: 65534, cwd: '/' });
    const [cache, named] = JSON.parse(child.stdout) as { candidates: { rejected: string }[] }[];
    assert.match(cache?.candidates[1]?.rejected ?? '', /^cannot be read: EACCES/);
    assert.equal(cache?.candidates[2]?.rejected, 'not installed');
    assert.match(named?.candidates[0]?.rejected ?? '', /^cannot be read: EACCES/);
  });
});

describe('readElf', () => {
  it('reads what LibTorch needs and where it looks', () => {
    const { dir } = findLibTorch();
    const elf = readElf(path.join(dir, 'lib', 'libtorch_cpu.so'));
    assert.ok(elf);
    assert.ok(elf.needed.includes('libc10.so'));
    assert.ok(elf.searchPath.includes(path.join(dir, 'lib')));
  });

  it('says null for other files and for damaged ones', () => {
    const library = fs.readFileSync(process.execPath).subarray(0, 4096);
    const file = path.join(folder, 'damaged.so');
    let parsed = 0;
    for (let length = 0; length < 64; ++length) {
      fs.writeFileSync(file, library.subarray(0, length));
      assert.equal(readElf(file), null);
    }
    for (let at = 16; at < 400; ++at) {
      const damaged = Buffer.from(library);
      damaged[at] = 0xff;
      fs.writeFileSync(file, damaged);
      if (readElf(file)) ++parsed;
    }
    assert.ok(parsed > 0);
  });
});
