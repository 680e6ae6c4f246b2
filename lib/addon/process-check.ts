/** Is this a system and a process that nacue and its LibTorch can be opened in? Asked before anything is opened. */
import fs from 'node:fs';
import path from 'node:path';
import { NacueError } from '../errors.js';
import { libraries } from '../libtorch/folder.js';
import type { LibTorch } from '../libtorch/search.js';
import { explainFailure } from '../load-failure.js';
import type { Binary } from './binaries.js';

/** A file that is mapped into this process. */
export interface MappedFile {
  file: string;
  inode: number;
}

/** Empty where there is no /proc. */
export function mappedFiles(): MappedFile[] {
  const list = '/proc/self/maps';
  if (!fs.existsSync(list)) return [];
  const lines = fs.readFileSync(list, 'utf8').matchAll(/^\S+ \S+ \S+ \S+ (\d+) +(\/.*)$/gm);
  const inodes = new Map(Array.from(lines, ([, inode, file]) => [file as string, Number(inode)]));
  return Array.from(inodes, ([file, inode]) => ({ file, inode }));
}

/** The C library, as node-gyp-build names it; `LIBC` overrides what is found, as it does there. */
export function cLibrary(): 'glibc' | 'musl' {
  const named = process.env.LIBC;
  if (named === 'glibc' || named === 'musl') return named;
  const isMusl = mappedFiles().some(({ file }) => /^ld-musl-|^libc\.musl-/.test(path.basename(file)));
  return isMusl || fs.existsSync('/etc/alpine-release') ? 'musl' : 'glibc';
}

/** @throws NacueError `ERR_NACUE_PLATFORM` where LibTorch does not run, or neither a binary nor a build of nacue can be had */
export function checkPlatform(binaries: readonly Binary[]): void {
  const system = `${process.platform} ${process.arch}`;
  const isMusl = process.platform === 'linux' && cLibrary() === 'musl';
  const isKnown = ['linux x64', 'linux arm64', 'darwin arm64'].includes(system);
  if (!isMusl && (isKnown || binaries.length > 0)) return;
  const message = explainFailure(
    isMusl ? 'nacue does not run on musl: LibTorch needs glibc.' : `nacue does not run on ${system}.`,
    [{ place: 'this system', result: `${system}${isMusl ? ' with musl (Alpine?)' : ''}` }],
    isMusl
      ? [
          'use an image with glibc 2.28 or newer: node:22-slim or another Debian, Ubuntu or Red Hat one instead of Alpine',
        ]
      : ['run it on Linux x64 with glibc 2.28 or newer, for example in a container'],
  );
  throw new NacueError('ERR_NACUE_PLATFORM', message);
}

/**
 * Two LibTorch in one process bind to each other's symbols and crash.
 *
 * @throws NacueError `ERR_NACUE_LIBTORCH_CONFLICT`
 */
export function checkNoOtherLibTorch(libtorch: LibTorch): void {
  const names = [libraries.core, libraries.cpu];
  const own = new Set(
    names.map((name) => fs.statSync(path.join(libtorch.dir, 'lib', name), { throwIfNoEntry: false })?.ino),
  );
  const other = mappedFiles().find(({ file, inode }) => names.includes(path.basename(file)) && !own.has(inode));
  if (!other) return;
  const otherDir = path.dirname(path.dirname(other.file));
  const message = explainFailure(
    'another LibTorch is open in this process already; two of them cannot live side by side.',
    [
      { place: 'open in this process', result: other.file },
      { place: `${libtorch.source}, ${libtorch.dir}`, result: `LibTorch ${libtorch.version}` },
    ],
    [
      `set NACUE_LIBTORCH=${otherDir} so that nacue uses the same one`,
      'run nacue in a process of its own (node:child_process), not in a worker thread of this one',
    ],
  );
  throw new NacueError('ERR_NACUE_LIBTORCH_CONFLICT', message);
}
