/** Makes a LibTorch of what was fetched, and checks that it is one. */
import fs from 'node:fs';
import path from 'node:path';
import { compareVersions } from '../compare-versions.js';
import { messageOf, NacueError } from '../errors.js';
import { explainFailure } from '../load-failure.js';
import { isSystemError } from '../system-error.js';
import { type Archive, openArchive, type Placement } from './archive.js';
import { diskFailure, requireSpace } from './disk.js';
import { damaged, type Fetched } from './fetch-failure.js';
import { inspectFolder, libraries } from './folder.js';
import type { Partial } from './partial.js';
import type { ReportProgress } from './progress.js';
import { defaultVersion, officialArchive } from './releases.js';
import { oldestSupported } from './search.js';

/** Archives, and what of them is wanted. */
export interface Parts extends Fetched {
  files: string[];
  placement: Placement;
}

export interface Wanted {
  /** As far as it is known. */
  version: string | undefined;
  cuda: boolean;
}

export interface Unpacked {
  /** `2.11.0+cpu` */
  version: string;
  /** `2.11.0`, safe as a folder's name. */
  number: string;
}

export interface Unpacking {
  partial: Partial;
  signal: AbortSignal;
  report: ReportProgress;
}

/** @throws NacueError `ERR_NACUE_LIBTORCH_DAMAGED`, `ERR_NACUE_CACHE` */
export async function unpackAll(parts: Parts, { partial, signal, report }: Unpacking): Promise<void> {
  const { files, placement } = parts;
  const explain = (error: unknown): never => {
    throw explainArchiveError(error, parts, partial);
  };
  const archives: Archive[] = [];
  try {
    for (const file of files) archives.push(await openArchive(file, placement).catch(explain));
    const total = archives.reduce((sum, { bytes }) => sum + bytes, 0);
    requireSpace(partial.parent, total);
    let done = 0;
    report({ phase: 'unpacking', done, total });
    const onBytes = (bytes: number) => {
      done += bytes;
      report({ phase: 'unpacking', done, total });
    };
    for (const archive of archives) await archive.unpack(partial.files, { onBytes, signal }).catch(explain);
  } finally {
    for (const archive of archives) archive.close();
  }
}

/**
 * Its version, and the number of it, when it is what was asked for and nacue would take it.
 *
 * @throws NacueError `ERR_NACUE_LIBTORCH_DAMAGED`, `ERR_NACUE_LIBTORCH_VERSION`
 */
export function checkUnpacked(dir: string, { version: wanted, cuda }: Wanted, fetched: Fetched): Unpacked {
  const noLibTorch = (problem: string) => {
    // By the time somebody reads it, the folder is gone.
    const inArchive = problem.replaceAll(dir + path.sep, '').replaceAll(dir, 'it');
    return damaged(fetched, `is no LibTorch for this system: ${inArchive}`);
  };
  const folder = inspectFolder(dir);
  if ('problem' in folder) throw noLibTorch(folder.problem);
  if (folder.unusable !== null) throw noLibTorch(folder.unusable);
  const number = folder.version.match(/^\d+\.\d+\.\d+/)?.[0];
  if (number === undefined) throw noLibTorch(`it calls its version ${folder.version}`);
  if (wanted !== undefined && !isVersion(folder.version, wanted)) {
    throw noLibTorch(`it is LibTorch ${folder.version}, not ${wanted}`);
  }
  if (cuda && !hasCuda(folder.dir)) throw noLibTorch('it has no CUDA part');
  if (compareVersions(folder.version, oldestSupported) < 0) throw tooOld(folder.version, fetched);
  return { version: folder.version, number };
}

/** `2.11.0+cu130` is 2.11.0, and 2.11. */
export function isVersion(version: string, wanted: string): boolean {
  return version.startsWith(wanted) && !/^\d/.test(version.slice(wanted.length));
}

export function hasCuda(dir: string): boolean {
  return fs.existsSync(path.join(dir, 'lib', libraries.cuda));
}

function tooOld(version: string, { title }: Fetched): NacueError {
  const problem = `${title} is LibTorch ${version}, which is too old: nacue needs ${oldestSupported} or newer.`;
  const fixes = [
    'install one that nacue can fetch by its version: `npx nacue libtorch install`',
    `give a newer archive, for example ${officialArchive(defaultVersion)}`,
  ];
  return new NacueError('ERR_NACUE_LIBTORCH_VERSION', explainFailure(problem, [], fixes));
}

function explainArchiveError(error: unknown, fetched: Fetched, { parent }: Partial): unknown {
  if (error instanceof NacueError) return error;
  if (isSystemError(error)) return diskFailure(error, parent);
  return damaged(fetched, `is damaged, or no archive of LibTorch: ${messageOf(error).replace(/\.$/, '')}`, error);
}
