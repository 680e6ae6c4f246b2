/** Step: is this a machine that nacue runs on? */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Problem, root } from './project.mjs';

export function checkMachine() {
  const { engines } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const oldest = engines.node.replace('>=', '');
  if (process.versions.node.localeCompare(oldest, 'en', { numeric: true }) < 0) {
    throw new Problem(`nacue needs Node.js ${oldest} or newer, this is ${process.versions.node}.`);
  }
  const platform = `${process.platform} ${process.arch}`;
  if (platform !== 'linux x64') throw new Problem(`nacue runs on Linux x64, this is ${platform}.`);
  if (!process.report.getReport().header.glibcVersionRuntime) {
    throw new Problem('nacue needs glibc, as LibTorch does; this Node.js runs on another C library (Alpine?).');
  }
}
