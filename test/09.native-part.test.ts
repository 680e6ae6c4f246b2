import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { openedFiles } from '../dist/addon/open.js';
import { readElf } from '../dist/libtorch/elf.js';
import type { Environment } from '../dist/libtorch/search.js';

const root = path.join(__dirname, '..');
const model = path.join(__dirname, 'fixtures', 'small.pt');
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nacue native '));
after(() => fs.rmSync(folder, { recursive: true }));

const { libtorch, binary } = openedFiles();

/** Writes files, given by name and content, into a new folder below `folder`. */
function tree(name: string, files: Record<string, string>): string {
  for (const [file, content] of Object.entries(files)) {
    const target = path.join(folder, name, file);
    fs.mkdirSync(path.dirname(target), { recursive: true });
    fs.writeFileSync(target, content);
  }
  return path.join(folder, name);
}

/** A set of binaries with the real ones in it, in the layout of a package's prebuilds/. */
function binarySet(name: string, minor = libtorch.minor): string {
  const set = path.join(folder, name);
  const place = (kind: string, file: string, from: string) => {
    const dir = path.join(set, kind, 'prebuilds', `${process.platform}-${process.arch}`);
    fs.mkdirSync(dir, { recursive: true });
    fs.copyFileSync(from, path.join(dir, file));
  };
  place('loader', 'nacue_loader.glibc.node', binary.loader);
  place(`libtorch-${minor}`, 'nacue.glibc.node', binary.addon);
  return set;
}

interface Failure {
  name: string;
  code: string;
  message: string;
}

/** Runs a body in a fresh process; it returns what the body returns, or the failure. */
function inProcess(body: string, env: Environment = {}): Failure & { result?: unknown } {
  const script = `(async () => { const nacue = require('nacue'); const model = ${JSON.stringify(model)}; ${body} })()
    .then((result) => console.log(JSON.stringify({ result })),
          ({ name, code, message }) => console.log(JSON.stringify({ name, code, message })))`;
  const child = spawnSync(process.execPath, ['-e', script], {
    cwd: root,
    env: { ...process.env, ...env },
    encoding: 'utf8',
  });
  assert.equal(child.signal, null);
  return JSON.parse(child.stdout) as Failure & { result?: unknown };
}

const openIt = 'return (await nacue.inspect(model)).length';

describe('the native binaries', () => {
  it('come from NACUE_PREBUILD: a set, or a package with one in it', () => {
    const set = binarySet('package/prebuilds');
    assert.ok((inProcess(openIt, { NACUE_PREBUILD: set }).result as number) > 0);
    assert.ok((inProcess(openIt, { NACUE_PREBUILD: path.dirname(set) }).result as number) > 0);
  });

  it('come from prebuilds/ alone with PREBUILDS_ONLY', () => {
    const own = tree('own', { 'loader/build/Release/x.node': '', 'libtorch-2.11/build/Release/x.node': '' });
    const { code, message } = inProcess(openIt, { NACUE_PREBUILD: own, PREBUILDS_ONLY: '1' });
    assert.equal(code, 'ERR_NACUE_LOAD_FAILED');
    assert.match(message, /no nacue binaries for this system where they were said to be[\s\S]*1\. give the prebuilds/);
  });

  for (const kind of ['loader', 'addon'] as const) {
    it(`are refused when the ${kind} was cut, which would end the process`, () => {
      const set = binarySet(`cut ${kind}`);
      const part = path.join(set, kind === 'loader' ? 'loader' : `libtorch-${libtorch.minor}`, 'prebuilds');
      const file = fs
        .readdirSync(part, { recursive: true })
        .map(String)
        .find((name) => name.endsWith('.node')) as string;
      fs.truncateSync(path.join(part, file), fs.statSync(path.join(part, file)).size / 2);
      const { code, message } = inProcess(openIt, { NACUE_PREBUILD: set });
      assert.equal(code, 'ERR_NACUE_LOAD_FAILED');
      assert.match(message, /is cut: it has \d+ bytes of \d+/);
    });
  }

  it('come from the option nativeBinding: a folder, or a file with its loader beside it or in its set', () => {
    const set = binarySet('bundle');
    const file = path.join(
      set,
      `libtorch-${libtorch.minor}`,
      'prebuilds',
      `${process.platform}-${process.arch}`,
      'nacue.glibc.node',
    );
    const flat = tree('flat', { 'readme.txt': '' });
    fs.copyFileSync(binary.addon, path.join(flat, 'nacue.node'));
    fs.copyFileSync(binary.loader, path.join(flat, 'nacue_loader.node'));
    for (const nativeBinding of [set, file, path.join(flat, 'nacue.node')]) {
      const script = `const nativeBinding = ${JSON.stringify(nativeBinding)};
        await nacue.inspect(model, { nativeBinding });
        return require('./dist/addon/open.js').openedFiles().binary.addon`;
      const { result } = inProcess(script);
      assert.ok(String(result).startsWith(nativeBinding), String(result));
    }
  });

  it('must be the same for the whole process', () => {
    const other = binarySet('other');
    const { name, code, message } = inProcess(
      `await nacue.inspect(model); return nacue.NACUE.create(model, { layers: ['x'], nativeBinding: ${JSON.stringify(other)} })`,
    );
    assert.deepEqual([name, code], ['RangeError', 'ERR_NACUE_OUT_OF_RANGE']);
    assert.match(message, /nativeBinding must be the one that this process already uses/);
  });

  for (const [value, code] of [
    ['7', 'ERR_NACUE_INVALID_ARG_TYPE'],
    ["''", 'ERR_NACUE_OUT_OF_RANGE'],
    ["'/none'", 'ERR_NACUE_LOAD_FAILED'],
  ] as const) {
    it(`refuses nativeBinding ${value}`, () => {
      assert.equal(inProcess(`return nacue.libtorchVersion({ nativeBinding: ${value} })`).code, code);
    });
  }

  it('name the LibTorch and the binaries there are when none fits', () => {
    const { code, message } = inProcess(openIt, {
      NACUE_PREBUILD: binarySet('prebuilt', '2.10'),
      NACUE_LIBTORCH: libtorch.dir,
    });
    assert.equal(code, 'ERR_NACUE_LIBTORCH_VERSION');
    assert.match(message, /it has those for 2\.10\.[\s\S]*LibTorch 2\.\d+\.\d/);
    assert.match(message, /1\. set NACUE_LIBTORCH to the folder of a LibTorch 2\.10/);
  });
});

describe('opening LibTorch', () => {
  const version = { 'version.py': `__version__ = '${libtorch.version}'\n` };

  it("repeats the dynamic linker's text when a library is damaged", () => {
    const dir = tree('damaged', { 'lib/libc10.so': 'no ELF', 'lib/libtorch_cpu.so': 'no ELF', ...version });
    const { code, message } = inProcess(openIt, { NACUE_LIBTORCH: dir });
    assert.equal(code, 'ERR_NACUE_LOAD_FAILED');
    assert.match(message, /libc10\.so: (invalid ELF header|file too short)/);
    assert.match(message, /1\. set NACUE_LIBTORCH to a complete LibTorch/);
  });

  it('names the libraries that are missing beside it', function () {
    const source = path.join(libtorch.dir, 'lib');
    const needed = readElf(path.join(source, 'libtorch_cpu.so'))?.needed ?? [];
    if (!needed.some((name) => name.startsWith('libcudart'))) this.skip(); // a CPU build
    // Elsewhere $ORIGIN leads to folders without the CUDA runtime.
    const dir = tree('moved/torch', version);
    fs.mkdirSync(path.join(dir, 'lib'));
    for (const name of ['libc10.so', 'libtorch_cpu.so', 'libgomp.so.1']) {
      fs.copyFileSync(path.join(source, name), path.join(dir, 'lib', name), fs.constants.COPYFILE_FICLONE);
    }
    const { code, message } = inProcess(openIt, { NACUE_LIBTORCH: dir, LD_LIBRARY_PATH: '' });
    assert.equal(code, 'ERR_NACUE_LOAD_FAILED');
    assert.match(message, /these libraries are missing: libcupti\.so\.\d+, libcudart\.so\.\d+\./);
    assert.match(message, /2\. unset NACUE_LIBTORCH and run/);
  });

  it('refuses a second LibTorch in the process and says which one is open', () => {
    const copy = tree('second', version);
    fs.mkdirSync(path.join(copy, 'lib'));
    for (const name of ['libc10.so', 'libtorch_cpu.so']) fs.writeFileSync(path.join(copy, 'lib', name), '');
    const { code, message } = inProcess(`await nacue.inspect(model);
      process.env.NACUE_LIBTORCH = ${JSON.stringify(copy)};
      const { Worker } = require('node:worker_threads');
      const worker = new Worker(${JSON.stringify(
        `require('nacue').inspect(${JSON.stringify(model)}).catch(({ code, message }) => require('node:worker_threads').parentPort.postMessage({ code, message }))`,
      )}, { eval: true });
      const failure = await new Promise((resolve) => worker.once('message', resolve));
      throw Object.assign(new Error(failure.message), failure);`);
    assert.equal(code, 'ERR_NACUE_LIBTORCH_CONFLICT');
    assert.match(message, new RegExp(`1\\. set NACUE_LIBTORCH=${fs.realpathSync(libtorch.dir)}`));
  });

  it('shares the LibTorch that is already open', () => {
    const { result } = inProcess(`await nacue.inspect(model);
      const { Worker } = require('node:worker_threads');
      const worker = new Worker(${JSON.stringify(
        `require('nacue').inspect(${JSON.stringify(model)}).then((list) => require('node:worker_threads').parentPort.postMessage(list.length))`,
      )}, { eval: true });
      return new Promise((resolve) => worker.once('message', resolve));`);
    assert.ok((result as number) > 0);
  });

  it('keeps to the LibTorch that is open when a newer one comes into the cache', () => {
    const cache = path.join(folder, 'growing');
    const place = (name: string) => {
      fs.mkdirSync(path.join(cache, 'libtorch'), { recursive: true });
      fs.symlinkSync(path.dirname(libtorch.dir), path.join(cache, 'libtorch', name));
    };
    place('2.11.0');
    const { result } = inProcess(
      `await nacue.inspect(model);
      require('node:fs').symlinkSync(${JSON.stringify(libtorch.dir)}, ${JSON.stringify(path.join(cache, 'libtorch', '9.9.9'))});
      return require('./dist/libtorch/search.js').searchLibTorch().found.source;`,
      { NACUE_CACHE_DIR: cache, NACUE_LIBTORCH: '' },
    );
    assert.equal(result, 'open in this process');
  });

  it('refuses another LibTorch that has taken the place of the open one', () => {
    const dir = path.join(folder, 'replaced');
    fs.mkdirSync(path.join(dir, 'lib'), { recursive: true });
    const libraries = path.join(libtorch.dir, 'lib');
    for (const name of fs.readdirSync(libraries).filter((file) => /^lib(c10|torch_cpu|gomp)\.so/.test(file)))
      fs.linkSync(path.join(libraries, name), path.join(dir, 'lib', name));
    fs.writeFileSync(path.join(dir, 'version.py'), version['version.py']);
    const nvidia = path.join(path.dirname(libtorch.dir), 'nvidia');
    const search = fs.existsSync(nvidia) ? fs.readdirSync(nvidia, { recursive: true }).map(String) : [];
    const LD_LIBRARY_PATH = search
      .filter((name) => name.endsWith('/lib'))
      .map((name) => path.join(nvidia, name))
      .join(':');
    const { code, message } = inProcess(
      `await nacue.inspect(model);
      const fs = require('node:fs');
      const file = ${JSON.stringify(path.join(dir, 'lib', 'libc10.so'))};
      fs.rmSync(file);
      fs.copyFileSync(${JSON.stringify(path.join(libraries, 'libc10.so'))}, file);
      const { Worker } = require('node:worker_threads');
      const worker = new Worker(${JSON.stringify(
        `require('nacue').inspect(${JSON.stringify(model)}).then(() => ({}), ({ code, message }) => ({ code, message })).then((answer) => require('node:worker_threads').parentPort.postMessage(answer))`,
      )}, { eval: true });
      const failure = await new Promise((resolve) => worker.once('message', resolve));
      throw Object.assign(new Error(failure.message), failure);`,
      { NACUE_LIBTORCH: dir, LD_LIBRARY_PATH },
    );
    assert.equal(code, 'ERR_NACUE_LIBTORCH_CONFLICT');
    assert.match(message, /1\. start the process anew/);
  });

  it('refuses musl', () => {
    const { code, message } = inProcess(openIt, { LIBC: 'musl' });
    assert.equal(code, 'ERR_NACUE_PLATFORM');
    assert.match(message, /musl[\s\S]*1\. use an image with glibc/);
  });
});
