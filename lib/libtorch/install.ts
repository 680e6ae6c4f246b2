/** Installs a LibTorch: fetch, check, unpack beside the target, and one rename that makes it complete. */
import fs from 'node:fs';
import path from 'node:path';
import { NacueError, outOfRange } from '../errors.js';
import { cacheName, libtorchCacheDir, sizeOf } from './cache.js';
import { explainDiskError, prepareFolder, requireSpace, withDiskErrors } from './disk.js';
import { downloadFile } from './download.js';
import { fetchFailure } from './fetch-failure.js';
import { type ArchiveSource, type InstallOptions, type Request, readOptions } from './install-options.js';
import { abandonPartial, claimPartial, type Partial, removeFolder } from './partial.js';
import { type ReportProgress, throttled } from './progress.js';
import { knownReleases, type PinnedRelease, type ReleaseTable } from './releases.js';
import { type LibTorch, searchLibTorch } from './search.js';
import { sha256Of } from './sha256.js';
import { checkUnpacked, hasCuda, isVersion, type Parts, unpackAll } from './unpack.js';
import { placeForCpu, placeForCuda, placeFromArchive } from './wheel-parts.js';
import { fetchWheels } from './wheels.js';

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

interface Work extends Request {
  partial: Partial;
  signal: AbortSignal;
  report: ReportProgress;
}

/**
 * Says what {@link installLibTorch} would do, and does nothing.
 *
 * @throws TypeError or RangeError for a wrong option, NacueError `ERR_NACUE_LIBTORCH_VERSION` for a version that is not
 * in the table.
 */
export function planInstall(options: InstallOptions = {}, table: ReleaseTable = knownReleases): InstallPlan {
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
  const request = readOptions(options, table);
  const { present } = planFor(request);
  const signal = options.signal ?? new AbortController().signal;
  signal.throwIfAborted();
  if (present) return present;

  const parent = path.dirname(request.dir);
  prepareFolder(parent);
  const partial = withDiskErrors(parent, () => claimPartial(request.dir));
  try {
    const work = { ...request, partial, signal, report: throttled(options.onProgress) };
    await unpackAll(await fetchParts(work), work);
    const installed = putInPlace(work);
    removeFolder(partial.dir);
    return installed;
  } catch (error) {
    // Wheels are known by their hashes; a damaged archive would be taken for a whole one next time.
    if ('archive' in request.source && isDamage(error)) removeFolder(partial.downloads);
    abandonPartial(partial, request.dir);
    throw signal.aborted ? signal.reason : explainDiskError(error, parent);
  }
}

function isDamage(error: unknown): boolean {
  return error instanceof NacueError && error.code === 'ERR_NACUE_LIBTORCH_DAMAGED';
}

function planFor(request: Request): InstallPlan {
  const { name, dir, source } = request;
  const present = libtorchIn(dir, request);
  if (request.hasOwnDir && !present) withDiskErrors(dir, () => requireEmpty(dir));
  const release = 'release' in source ? source.release : null;
  return { name, dir, downloadBytes: release?.downloadBytes ?? null, diskBytes: release?.diskBytes ?? null, present };
}

/** The complete LibTorch in a folder, if it is the one that is asked for. */
function libtorchIn(dir: string, { version, cuda, hasOwnDir }: Request): LibTorch | null {
  const { found } = searchLibTorch({ env: { NACUE_LIBTORCH: dir } });
  if (!found || (version !== undefined && !isVersion(found.version, version))) return null;
  if (cuda && !hasCuda(found.dir)) return null;
  return hasOwnDir ? found : { ...found, source: 'cache' };
}

/** The folder is made by a rename, which an empty one allows; a mount point allows none. */
function requireEmpty(dir: string): void {
  const found = fs.statSync(dir, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isDirectory() || fs.readdirSync(dir).length > 0) throw outOfRange('dir', 'an absent or empty folder', dir);
  if (found.dev !== fs.statSync(path.dirname(dir)).dev) {
    throw outOfRange('dir', 'a folder below the place where a disk is mounted, not that place', dir);
  }
}

/** The files to unpack, and what of them is wanted. */
async function fetchParts(work: Work): Promise<Parts> {
  const { source, cuda, partial } = work;
  if ('archive' in source) return { files: [await fetchArchive(source, work)], placement: placeFromArchive };
  const { release } = source;
  requireSpace(partial.dir, bytesNeeded(release) - sizeOf(partial.downloads));
  return { files: await fetchWheels({ ...work, release }), placement: cuda ? placeForCuda : placeForCpu };
}

/** pip keeps the wheel it fetches and a copy of it for a moment; later what is unpacked lies beside all of them. */
function bytesNeeded({ wheels, downloadBytes, diskBytes }: PinnedRelease): number {
  return downloadBytes + Math.max(diskBytes, ...wheels.map(({ size }) => size));
}

async function fetchArchive({ archive, sha256 }: ArchiveSource, work: Work): Promise<string> {
  const file = typeof archive === 'string' ? archive : path.join(work.partial.downloads, 'archive.zip');
  if (typeof archive === 'string') await requireReadable(file);
  else await downloadFile({ ...work, url: archive, file });
  if (sha256 === undefined || (await sha256Of(file, work.signal)) === sha256) return file;
  throw new NacueError('ERR_NACUE_LIBTORCH_DAMAGED', `the archive is not the one wanted: its SHA-256 is not ${sha256}`);
}

async function requireReadable(file: string): Promise<void> {
  await fs.promises.access(file, fs.constants.R_OK).catch((cause) => {
    throw fetchFailure({ problem: `${file} cannot be read.`, fixes: ['change its permissions'], cause });
  });
}

/** One rename. Whoever comes second uses what the first has put there. */
function putInPlace(work: Work): LibTorch {
  const { partial, hasOwnDir } = work;
  const unpacked = checkUnpacked(partial.files, work.version, work.cuda);
  const version = unpacked.version.match(/^\d+\.\d+\.\d+/)?.[0] ?? unpacked.version;
  const cuda = work.cuda || (/\+cu\d/.test(unpacked.version) && 'archive' in work.source);
  const dir = hasOwnDir ? work.dir : path.join(libtorchCacheDir(work.env), cacheName(version, cuda));
  for (;;) {
    const present = libtorchIn(dir, { ...work, version });
    if (present) return present;
    // An incomplete one, which somebody has damaged.
    if (fs.existsSync(dir)) renameIfPossible(dir, path.join(partial.dir, 'replaced'), 'ENOENT');
    renameIfPossible(partial.files, dir, 'ENOTEMPTY');
  }
}

/** `otherwise` is how the rename fails when another process was faster. */
function renameIfPossible(from: string, to: string, otherwise: string): void {
  try {
    fs.renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== otherwise) throw error;
  }
}
