import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { checkout, filesBelow, isBinary, libtorchs, tarball, unpacked } from './packed.js';

const mostBytes = 10e6;

/** Everything that may be in the tarball; each pattern stands for something that must be. */
const allowed = [
  /^(LICENSE|README\.md|CHANGELOG\.md|THIRD_PARTY_LICENSES\.md|package\.json|nacue\.schema\.json)$/,
  /^dist\/([\w-]+\/)*[\w-]+(\.generated)?\.(js|d\.ts)$/,
  /^dist\/index\.(mjs|d\.mts)$/,
  /^lib\/([\w-]+\/)*[\w-]+(\.generated|\.d)?\.m?ts$/,
  /^native\/(archive|binding|core|loader|portability|search|state)\/\w+\.(cc|h)$/,
  /^native\/cuda\/\w+\.(cc|cmake|cu|cuh|h)$/,
  /^native\/portability\/\w+\.(cmake|map)$/,
  /^(CMakeLists\.txt|binding\.gyp)$/,
  /^scripts\/[\w-]+\.mjs$/,
  /^scripts\/cuda-toolkit-requirements\.txt$/,
  /^scripts\/steps\/\w+\.mjs$/,
  /^docs\/([\w-]+\.md|benchmarks\.svg|report\.png)$/,
  /^python\/nacue_bridge\.py$/,
  /^prebuilds\/loader\/prebuilds\/linux-x64\/nacue_loader\.glibc\.node$/,
  /^prebuilds\/libtorch-\d+\.\d+\/prebuilds\/linux-x64\/(nacue\.glibc\.node|nacue_cuda\.so)$/,
  /^test\/fixtures\/small(\.pt|_golden\.json)$/,
];

const files = filesBelow(unpacked);

describe('the contents of the package', () => {
  it(`packs to less than ${mostBytes / 1e6} MB`, () => {
    const { size } = fs.statSync(tarball);
    console.log(`      ${(size / 1e6).toFixed(2)} MB, ${files.length} files`);
    assert.ok(size < mostBytes, `${size} bytes`);
  });

  it('holds what is listed, and something for each item of the list', () => {
    const strangers = files.filter((file) => !allowed.some((pattern) => pattern.test(file)));
    assert.deepEqual(strangers, []);
    const unused = allowed.filter((pattern) => !files.some((file) => pattern.test(file)));
    assert.deepEqual(unused, []);
  });

  it('holds the two fixtures of the self-test, and nothing else of test/', () => {
    const ofTest = files.filter((file) => file.startsWith('test/'));
    assert.deepEqual(ofTest, ['test/fixtures/small.pt', 'test/fixtures/small_golden.json']);
  });

  it('holds an addon and its CUDA graphs for each LibTorch that it is tested on', () => {
    for (const { minor } of libtorchs) {
      for (const name of ['nacue.glibc.node', 'nacue_cuda.so']) {
        const binary = `prebuilds/libtorch-${minor}/prebuilds/linux-x64/${name}`;
        assert.ok(files.includes(binary), binary);
      }
    }
  });

  it('holds nothing compiled that has lost its source', () => {
    const stems = (dir: string, ending: RegExp) =>
      files.filter((file) => file.startsWith(dir)).map((file) => file.slice(dir.length).replace(ending, ''));
    const sources = new Set(stems('lib/', /\.m?ts$/));
    const orphans = stems('dist/', /(\.d)?\.m?[jt]s$/).filter((stem) => !sources.has(stem));
    assert.deepEqual(orphans, []);
  });

  it('names no folder of the machine that packed it', () => {
    const own = [`${checkout}/`, `${os.homedir()}/`, ...libtorchs.map(({ dir }) => `${dir}/`)];
    const builders = /\/(home|root|Users|tmp|work|__w|workspace|builds?)\/[\w.-]+\//;
    for (const file of files) {
      const bytes = fs.readFileSync(path.join(unpacked, file));
      for (const dir of own) assert.ok(!bytes.includes(dir), `${file} names ${dir}`);
      if (isBinary(file)) assert.equal(builders.exec(bytes.toString('latin1'))?.[0], undefined, file);
    }
  });

  it('has executable programs, each for the `node` on PATH', () => {
    const { bin } = JSON.parse(fs.readFileSync(path.join(unpacked, 'package.json'), 'utf8')) as { bin: object };
    for (const program of Object.values(bin)) {
      const file = path.join(unpacked, program);
      assert.match(fs.readFileSync(file, 'utf8'), /^#!\/usr\/bin\/env node\n/, program);
    }
  });

  it('runs no script at installation', () => {
    const { scripts, gypfile } = JSON.parse(fs.readFileSync(path.join(unpacked, 'package.json'), 'utf8'));
    const hooks = ['preinstall', 'install', 'postinstall', 'prepare'].filter((name) => name in scripts);
    assert.deepEqual(hooks, []);
    assert.equal(gypfile, false); // npm would else run node-gyp for binding.gyp
  });
});

describe('the checks for packages', () => {
  const check = (program: string, ...args: string[]) => {
    const script = path.join(checkout, 'node_modules', '.bin', program);
    const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' });
    assert.equal(status, 0, stdout + stderr);
    return stdout;
  };

  it('finds nothing by publint --strict', () => {
    assert.match(check('publint', 'run', '--strict', tarball), /All good/);
  });

  it('finds nothing by are-the-types-wrong, for import and for require', () => {
    const options = ['--profile', 'node16', '--format', 'ascii', '--no-color', '--no-emoji'];
    const output = check('attw', ...options, tarball);
    assert.match(output, /^node16 \(from CJS\): OK \(CJS\)$/m);
    assert.match(output, /^node16 \(from ESM\): OK \(ESM\)$/m);
    assert.match(output, /^bundler: OK/m);
  });
});
