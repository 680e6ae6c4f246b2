/** Installs a LibTorch: fetch, check, unpack beside the target, and one rename that makes it complete. */
import fs from 'node:fs';
import path from 'node:path';
import { checkPlatform } from '../addon/platform.js';
import { NacueError } from '../errors.js';
import { cacheName, libtorchCacheDir } from './cache.js';
import { explainDiskError, prepareFolder, withDiskErrors } from './disk.js';
import { fetchParts, type Work } from './fetch-parts.js';
import { type InstallOptions, type Request, readOptions } from './install-options.js';
import { abandonPartial, claimPartial, moveAway, removeFolder, removeLeftovers } from './partial.js';
import { throttled } from './progress.js';
import { knownReleases, type ReleaseTable } from './releases.js';
import type { LibTorch } from './search.js';
import { libtorchIn, requireEmpty, usableIn } from './target.js';
import { checkUnpacked, type Unpacked, unpackAll } from './unpack.js';

export type { InstallOptions } from './install-options.js';
export type { InstallProgress } from './progress.js';

/** What an install would do. */
export interface InstallPlan {
  /** The folder's name in the cache. */
  name: string;
  dir: string;
  /** Null for an archive. */
  downloadBytes: number | null;
  /** What it takes when it is complete; null for an archive. */
  diskBytes: number | null;
  /** What is there already, and would be used. */
  present: LibTorch | null;
}

/**
 * Says what {@link installLibTorch} would do, and does nothing.
 *
 * @throws TypeError or RangeError for a wrong option, NacueError `ERR_NACUE_LIBTORCH_VERSION` for a version that is not
 * in the table, `ERR_NACUE_PLATFORM` where LibTorch does not run.
 */
export function planInstall(options: InstallOptions = {}, table: ReleaseTable = knownReleases): InstallPlan {
  checkPlatform([]);
  return planFor(readOptions(options, table));
}

/**
 * Installs a LibTorch, or returns the one that is there. An interrupted install goes on; two at a time both succeed.
 *
 * @throws NacueError `ERR_NACUE_LIBTORCH_FETCH`, `ERR_NACUE_LIBTORCH_DAMAGED`, `ERR_NACUE_CACHE`, and what
 * {@link planInstall} throws.
 * @example
 * const onProgress = ({ phase, done, total }) => console.error(phase, done, total);
 * const { dir, version } = await installLibTorch({ version: '2.15', onProgress });
 */
export async function installLibTorch(
  options: InstallOptions = {},
  table: ReleaseTable = knownReleases,
): Promise<LibTorch> {
  checkPlatform([]);
  const request = readOptions(options, table);
  const { present } = planFor(request);
  const signal = options.signal ?? new AbortController().signal;
  signal.throwIfAborted();
  const parent = path.dirname(request.dir);
  if (present) {
    removeLeftovers(request.dir);
    return present;
  }
  prepareFolder(parent);
  const partial = withDiskErrors(parent, () => claimPartial(request.dir));
  try {
    const work = { ...request, partial, signal, report: throttled(options.onProgress) };
    const parts = await fetchParts(work);
    await unpackAll(parts, work);
    const installed = putInPlace(work, checkUnpacked(partial.files, work, parts));
    removeFolder(partial.dir);
    return installed;
  } catch (error) {
    // Wheels are known by their hashes; an archive that is no good would be taken for a whole one next time.
    if ('archive' in request.source && isOfNoUse(error)) removeFolder(partial.downloads);
    abandonPartial(partial, request.dir);
    throw signal.aborted ? signal.reason : explainDiskError(error, parent);
  }
}

function isOfNoUse(error: unknown): boolean {
  return (
    error instanceof NacueError && ['ERR_NACUE_LIBTORCH_DAMAGED', 'ERR_NACUE_LIBTORCH_VERSION'].includes(error.code)
  );
}

function planFor(request: Request): InstallPlan {
  const { name, dir, source } = request;
  const present = libtorchIn(dir, request);
  if (request.hasOwnDir && !present) withDiskErrors(dir, () => requireEmpty(dir));
  const release = 'release' in source ? source.release : null;
  return { name, dir, downloadBytes: release?.downloadBytes ?? null, diskBytes: release?.diskBytes ?? null, present };
}

/** One rename. Whoever comes second uses what the first has put there. */
function putInPlace(work: Work, { version: unpacked, number }: Unpacked): LibTorch {
  const { partial, hasOwnDir } = work;
  const cuda = work.cuda || (/\+cu\d/.test(unpacked) && 'archive' in work.source);
  const dir = hasOwnDir ? work.dir : path.join(libtorchCacheDir(work.env), cacheName(number, cuda));
  for (;;) {
    const present = libtorchIn(dir, { ...work, version: number });
    if (present) return present;
    // An incomplete one, which somebody has damaged.
    moveAway(dir, path.join(partial.dir, 'replaced'));
    const installed = renameUnlessThere(partial.files, dir) ? usableIn(dir, work) : null;
    // One that lacks what this system should have is complete all the same.
    if (installed) return installed;
  }
}

/** Another process may have been faster. */
function renameUnlessThere(from: string, to: string): boolean {
  try {
    fs.renameSync(from, to);
    return true;
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    return false;
  }
}
