/** Makes a LibTorch of what was fetched, and checks that it is one. */
import fs from 'node:fs';
import path from 'node:path';
import { NacueError } from '../errors.js';
import { type Archive, openArchive, type Placement } from './archive.js';
import { requireSpace } from './disk.js';
import { inspectFolder, libraries } from './folder.js';
import type { Partial } from './partial.js';
import type { ReportProgress } from './progress.js';
import { findLibTorch } from './search.js';

/** Archives, and what of them is wanted. */
export interface Parts {
  files: string[];
  placement: Placement;
}

export interface Unpacking {
  partial: Partial;
  signal: AbortSignal;
  report: ReportProgress;
}

/** @throws NacueError `ERR_NACUE_LIBTORCH_DAMAGED`, `ERR_NACUE_CACHE` */
export async function unpackAll({ files, placement }: Parts, { partial, signal, report }: Unpacking): Promise<void> {
  const archives: Archive[] = [];
  try {
    for (const file of files) archives.push(await openArchive(file, placement));
    const total = archives.reduce((sum, { bytes }) => sum + bytes, 0);
    requireSpace(partial.dir, total);
    let done = 0;
    report({ phase: 'unpacking', done, total });
    const onBytes = (bytes: number) => {
      done += bytes;
      report({ phase: 'unpacking', done, total });
    };
    for (const archive of archives) await archive.unpack(partial.files, { onBytes, signal });
  } finally {
    for (const archive of archives) archive.close();
  }
}

/**
 * Its version, when it is what was asked for and nacue would take it.
 *
 * @throws NacueError `ERR_NACUE_LIBTORCH_DAMAGED`, `ERR_NACUE_LIBTORCH_VERSION`
 */
export function checkUnpacked(dir: string, wanted: string | undefined, cuda: boolean): { version: string } {
  const folder = inspectFolder(dir);
  if ('problem' in folder) throw noLibTorch(folder.problem);
  if (folder.foreign !== null) throw noLibTorch(folder.foreign);
  if (wanted !== undefined && !isVersion(folder.version, wanted)) {
    throw noLibTorch(`it is LibTorch ${folder.version}, not ${wanted}`);
  }
  if (cuda && !hasCuda(folder.dir)) throw noLibTorch('it has no CUDA part');
  return findLibTorch({ env: { NACUE_LIBTORCH: dir } });
}

/** `2.11.0+cu130` is 2.11.0, and 2.11. */
export function isVersion(version: string, wanted: string): boolean {
  return version.startsWith(wanted) && !/^\d/.test(version.slice(wanted.length));
}

export function hasCuda(dir: string): boolean {
  return fs.existsSync(path.join(dir, 'lib', libraries.cuda));
}

function noLibTorch(problem: string): NacueError {
  return new NacueError('ERR_NACUE_LIBTORCH_DAMAGED', `what was fetched is no LibTorch for this system: ${problem}`);
}
