/** Is there a folder that can be written, with space enough? */
import fs from 'node:fs';
import path from 'node:path';
import { megabytes } from '../byte-size.js';
import { NacueError } from '../errors.js';
import { explainFailure } from '../load-failure.js';
import { isSystemError } from '../system-error.js';

const full = ['ENOSPC', 'EDQUOT'];
const refused = ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST', 'EBUSY', 'EXDEV', 'EFBIG'];

/** Files take whole blocks, and other programs write too. */
const margin = 1.1;

const elsewhere = [
  'set NACUE_CACHE_DIR to a folder with space that you can write, here and wherever nacue runs',
  'install into a folder of your choice (`npx nacue libtorch install --dir FOLDER`), and set NACUE_LIBTORCH to it',
];

/** Makes the folder if need be. @throws NacueError `ERR_NACUE_CACHE` */
export function prepareFolder(dir: string): void {
  withDiskErrors(dir, () => {
    fs.mkdirSync(dir, { recursive: true });
    fs.accessSync(dir, fs.constants.W_OK);
  });
}

/** @throws NacueError `ERR_NACUE_CACHE` when there is no room for `bytes`, and a bit more, where `dir` lies. */
export function requireSpace(dir: string, bytes: number): void {
  const free = freeBytes(dir);
  const needed = bytes * margin;
  if (free >= needed) return;
  throw new NacueError(
    'ERR_NACUE_CACHE',
    explainFailure(
      `LibTorch needs ${megabytes(needed)} in ${dir} while it is installed, and ${megabytes(free)} are free.`,
      [],
      ['free some space', ...elsewhere],
    ),
  );
}

function freeBytes(dir: string): number {
  const { bavail, bsize } = fs.statfsSync(dir);
  return bavail * bsize;
}

/** Runs `work`, and explains what it throws if the disk is why. */
export function withDiskErrors<T>(dir: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw explainDiskError(error, dir);
  }
}

/** The error itself, or what it means when a full disk or a folder that may not be written is the reason. */
export function explainDiskError(error: unknown, dir: string): unknown {
  if (error instanceof NacueError || !isSystemError(error)) return error;
  const { code = '', syscall } = error;
  // A recursive mkdir says so where a disk is read-only, or has no inode left.
  const isNotMade = code === 'ENOENT' && syscall === 'mkdir';
  return isNotMade || full.includes(code) || refused.includes(code) ? diskFailure(error, dir) : error;
}

/** For any error of the operating system while files below `dir` are read and written. */
export function diskFailure(error: NodeJS.ErrnoException, dir: string): NacueError {
  const isFull = full.includes(error.code ?? '');
  const folder = path.resolve(dir);
  const problem = isFull ? `the disk of ${folder} is full.` : `the folder ${folder} cannot be written (${error.code}).`;
  const fixes = isFull ? ['free some space', ...elsewhere] : elsewhere;
  return new NacueError('ERR_NACUE_CACHE', explainFailure(problem, [], fixes), {
    detail: error.message,
    cause: error,
  });
}

/** Whether entries of a folder may be added and removed. */
export function isWritable(dir: string): boolean {
  try {
    fs.accessSync(dir, fs.constants.R_OK | fs.constants.W_OK);
    return true;
  } catch {
    return false; // the answer, whatever the reason
  }
}
