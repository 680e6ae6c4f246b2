/** What scripts/test-package.mjs hands to the tests: the tarball, and the LibTorchs to run it on. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { LibTorch } from '../../dist/libtorch/search.js';

export const checkout = path.join(__dirname, '..', '..');
export const tarball = fromScript('NACUE_TEST_TARBALL');
export const libtorchs = JSON.parse(fromScript('NACUE_TEST_LIBTORCHS')) as LibTorch[];

/** A folder for this run's files, outside of every project and open to every user; removed when the tests are done. */
export const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nacue-package-'));
fs.chmodSync(folder, 0o755);
after(() => fs.rmSync(folder, { recursive: true, force: true }));

/** The contents of the tarball, unpacked once. */
export const unpacked = unpack();

function fromScript(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run these tests by \`npm run test:package\``);
  return value;
}

function unpack(): string {
  execFileSync('tar', ['-xzf', tarball, '-C', folder]);
  return path.join(folder, 'package');
}

/** The files below a folder, relative to it, sorted. */
export function filesBelow(dir: string): string[] {
  return fs
    .readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.relative(dir, path.join(entry.parentPath, entry.name)))
    .sort();
}

/** Whether a file of the package is compiled. */
export function isBinary(file: string): boolean {
  return /\.(node|so)$/.test(file);
}
