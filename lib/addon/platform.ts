/** Is this a system that nacue and its LibTorch run on? Asked before anything is opened. */
import fs from 'node:fs';
import path from 'node:path';
import { NacueError } from '../errors.js';
import { mappedFiles } from '../libtorch/mapped-files.js';
import { explainFailure } from '../load-failure.js';
import type { Binary } from './binaries.js';

/** What nacue has been built for; only the first is tested and has binaries in the package. */
export const knownSystems = ['linux x64', 'linux arm64', 'darwin arm64'];

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
  const isKnown = knownSystems.includes(system);
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
