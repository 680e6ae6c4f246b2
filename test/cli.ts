/** Runs the command line in a process of its own, and makes what it looks at. */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import type { Environment } from '../dist/libtorch/search.js';

export const mainFile = path.join(__dirname, '..', 'dist', 'cli', 'main.js');

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  env?: Environment;
  uid?: number;
  nodeArgs?: string[];
}

/** `nacue ARGS`, with more or other variables than this process has. */
export function nacue(args: readonly string[], { env = {}, uid, nodeArgs = [] }: RunOptions = {}): Promise<Ended> {
  const child = spawn(process.execPath, [...nodeArgs, mainFile, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(uid !== undefined && { uid }),
  });
  return ended(child);
}

/** Everything a process prints, once it has ended. */
export function ended(child: ReturnType<typeof spawn>): Promise<Ended> {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (text) => (stdout += text));
  child.stderr?.on('data', (text) => (stderr += text));
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr })));
}

/** A folder that looks like a LibTorch until it is opened. */
export function fakeLibTorch(dir: string, version: string): string {
  fs.mkdirSync(path.join(dir, 'lib'), { recursive: true });
  for (const library of ['libc10.so', 'libtorch_cpu.so']) fs.writeFileSync(path.join(dir, 'lib', library), 'no ELF');
  fs.writeFileSync(path.join(dir, 'build-version'), version);
  return dir;
}

/** A set of binaries for NACUE_PREBUILD that looks complete until one is opened. */
export function fakeBinaries(dir: string, ...minors: string[]): string {
  for (const name of ['loader', ...minors.map((minor) => `libtorch-${minor}`)]) {
    const folder = path.join(dir, name, 'prebuilds', `${process.platform}-${process.arch}`);
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(path.join(folder, 'nacue.glibc.node'), '');
  }
  return dir;
}
