/** The folders of the user's cache: one per LibTorch, named by its version, `-cuda` when it has the CUDA part. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { compareVersions } from '../compare-versions.js';
import { NacueError, outOfRange } from '../errors.js';
import { explainFailure } from '../load-failure.js';
import { withDiskErrors } from './disk.js';
import { inspectFolder } from './folder.js';
import { abandonedName, abandonedPartials, abandonedTargets, moveAway, removeFolder } from './partial.js';
import type { Environment } from './search.js';

/** A LibTorch in the cache. */
export interface CachedLibTorch {
  /** Its folder's name, for example `2.11.0` or `2.11.0-cuda`. */
  name: string;
  dir: string;
  version: string;
  cuda: boolean;
  /** What it takes on disk. */
  bytes: number;
}

const cudaSuffix = '-cuda';

export function cacheName(version: string, cuda: boolean): string {
  return `${version}${cuda ? cudaSuffix : ''}`;
}

/** The folder that holds one LibTorch per version: `NACUE_CACHE_DIR`, else nacue's folder in the user's cache. */
export function libtorchCacheDir(env: Environment = process.env): string {
  const cache = env.NACUE_CACHE_DIR || path.join(env.XDG_CACHE_HOME || path.join(homeFolder(), '.cache'), 'nacue');
  return path.resolve(cache, 'libtorch');
}

/** An empty HOME is none. */
function homeFolder(): string {
  try {
    return os.homedir() || os.userInfo().homedir;
  } catch (cause) {
    const fixes = ['set NACUE_CACHE_DIR to a folder that you can write, here and wherever nacue runs', 'set HOME'];
    const problem = 'this user has no home folder, where the cache of LibTorch would be.';
    throw new NacueError('ERR_NACUE_CACHE', explainFailure(problem, [], fixes), { cause });
  }
}

/** The complete ones, newest first, CUDA before the same version without; unfinished ones have other kinds of names. */
export function cachedNames(env: Environment = process.env): string[] {
  const cache = libtorchCacheDir(env);
  if (!fs.existsSync(cache)) return [];
  return fs
    .readdirSync(cache)
    .filter((name) => /^\d+\.\d+\.\d+(-cuda)?$/.test(name))
    .sort((a, b) => compareVersions(b, a));
}

/** What is in the cache, in the order of {@link cachedNames}. */
export function listLibTorch(env: Environment = process.env): CachedLibTorch[] {
  return cachedNames(env).map((name) => {
    const dir = path.join(libtorchCacheDir(env), name);
    const cuda = name.endsWith(cudaSuffix);
    const folder = inspectFolder(dir);
    const version = 'version' in folder ? folder.version : name.slice(0, cuda ? -cudaSuffix.length : undefined);
    return { name, dir, version, cuda, bytes: sizeOf(dir) };
  });
}

/** What {@link removeLibTorch} takes: {@link cachedNames}, and what interrupted installs alone have left. */
export function removableNames(env: Environment = process.env): string[] {
  const cache = libtorchCacheDir(env);
  return fs.existsSync(cache) ? [...new Set([...cachedNames(env), ...abandonedTargets(cache)])] : [];
}

/**
 * Removes one LibTorch from the cache, with what interrupted installs of it have left; returns the bytes freed.
 *
 * @throws RangeError `ERR_NACUE_OUT_OF_RANGE` when there is none of that name, NacueError `ERR_NACUE_CACHE` when
 * it may not be removed.
 */
export function removeLibTorch(name: string, env: Environment = process.env): number {
  const names = removableNames(env);
  if (!names.includes(name)) throw outOfRange('name', names.join(' or ') || 'in the cache, which is empty', name);
  const dir = path.join(libtorchCacheDir(env), name);
  return withDiskErrors(dir, () => {
    const bytes = [dir, ...abandonedPartials(dir)].reduce((sum, folder) => sum + sizeOf(folder), 0);
    // From here on it is no longer found, even if the removal is interrupted.
    moveAway(dir, abandonedName(dir));
    abandonedPartials(dir).forEach(removeFolder);
    return bytes;
  });
}

/** The bytes of all files in a folder; what goes away meanwhile counts nothing. */
export function sizeOf(dir: string): number {
  return entriesOf(dir).reduce((bytes, entry) => {
    const file = path.join(dir, entry.name);
    if (entry.isDirectory()) return bytes + sizeOf(file);
    return bytes + (entry.isFile() ? (fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0) : 0);
  }, 0);
}

function entriesOf(dir: string): fs.Dirent[] {
  try {
    return fs.readdirSync(dir, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
