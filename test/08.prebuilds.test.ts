import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const script = path.join(__dirname, '..', 'scripts', 'check-binaries.mjs');
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nacue prebuilds '));
after(() => fs.rmSync(folder, { recursive: true }));

interface Addon {
  /** C, beside the entry point. */
  code?: string;
  flags?: string[];
  /** What it says that it was built for. */
  minor?: string;
}

function compile(file: string, code: string, flags: string[]): void {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const args = ['-shared', '-fPIC', '-nostdlib', '-x', 'c', '-', '-x', 'none', '-o', file, ...flags];
  const { status, stderr } = spawnSync('cc', args, { input: code, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}

/** A library with the name of another that has one function, `later`, in a version of its own. */
function library(name: string, version: string): string {
  const file = path.join(folder, version, name);
  const versions = `${file}.map`;
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(versions, `${version} { later; };\n`);
  compile(file, 'void later(void) {}', [`-Wl,-soname,${name}`, `-Wl,--version-script=${versions}`]);
  return file;
}

function check(set: string): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [script, set], { encoding: 'utf8' });
}

/** Checks a set of binaries with one addon, for LibTorch 2.11. */
function checkAddon({ code = '', flags = [], minor = '2.11' }: Addon): ReturnType<typeof check> {
  const set = fs.mkdtempSync(path.join(folder, 'set '));
  const text = `const char kBuiltFor[] __attribute__((visibility("hidden"))) = "nacue built for LibTorch ${minor}.0";`;
  const file = path.join(set, 'libtorch-2.11', 'prebuilds', `linux-${process.arch}`, 'nacue.glibc.node');
  compile(file, `${text}\n${code}\nvoid napi_register_module_v1(void) { CALL; }`, [
    ...(code.includes('later') ? ['-DCALL=later()'] : ['-DCALL']),
    ...flags,
  ]);
  return check(set);
}

describe('scripts/check-binaries.mjs', () => {
  // The packed package, on which the suite runs too, has no such script.
  before(function () {
    if (!fs.existsSync(script)) this.skip();
  });

  it('passes an addon that needs nothing and prints what it looked at', () => {
    const { status, stdout, stderr } = checkAddon({});
    assert.equal(status, 0, stderr);
    assert.match(stdout, /nacue\.glibc\.node, 0\.0\d MB\n/);
    assert.match(stdout, /exports: napi_register_module_v1\n/);
  });

  const call = 'void later(void);';
  for (const [name, version] of [
    ['libc.so.6', 'GLIBC_2.28'],
    ['libstdc++.so.6', 'GLIBCXX_3.4.25'],
  ] as const) {
    it(`passes ${version}, which LibTorch itself may need`, () => {
      const { status, stderr } = checkAddon({ code: call, flags: [library(name, version)] });
      assert.equal(status, 0, stderr);
    });
  }

  const refused: [string, () => Addon, RegExp][] = [
    [
      'a newer glibc',
      () => ({ code: call, flags: [library('libc.so.6', 'GLIBC_2.29')] }),
      /nacue\.glibc\.node needs GLIBC_2\.29 for later \(at most GLIBC_2\.28\)/,
    ],
    [
      'a newer libstdc++',
      () => ({ code: call, flags: [library('libstdc++.so.6', 'GLIBCXX_3.4.30')] }),
      /needs GLIBCXX_3\.4\.30 for later \(at most GLIBCXX_3\.4\.25\)/,
    ],
    [
      'a version without a number',
      () => ({ code: call, flags: [library('libm.so.6', 'GLIBC_PRIVATE')] }),
      /needs GLIBC_PRIVATE for later/,
    ],
    [
      'a library that is not everywhere',
      () => ({ code: call, flags: [library('libcudart.so.13', 'GLIBC_2.2')] }),
      /needs libcudart\.so\.13, which/,
    ],
    ['a search path', () => ({ flags: ['-Wl,-rpath,/opt/built/here'] }), /looks for libraries in \/opt\/built\/here/],
    ['another export', () => ({ code: 'void helper(void) {}' }), /exports helper: other/],
    ['an addon for another LibTorch', () => ({ minor: '2.15' }), /does not say that it was built for LibTorch 2\.11/],
  ];
  for (const [what, addon, message] of refused) {
    it(`refuses ${what}`, () => {
      const { status, stderr } = checkAddon(addon());
      assert.match(stderr, message);
      assert.equal(status, 1);
    });
  }

  it('refuses a folder without binaries', () => {
    const { status, stderr } = check(path.join(folder, 'none'));
    assert.match(stderr, /There are no binaries for Linux in .*none\.\n.*\n.*npm run prebuild/);
    assert.equal(status, 1);
  });
});
