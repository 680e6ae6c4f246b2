/** Fetches what an install unpacks: wheels of a known release, or the archive that was named. */
import fs from 'node:fs';
import path from 'node:path';
import { maskAddresses } from '../masked-addresses.js';
import { sizeOf } from './cache.js';
import { requireSpace } from './disk.js';
import { downloadFile } from './download.js';
import { damaged, type Fetched, fetchFailure, otherWays } from './fetch-failure.js';
import type { ArchiveSource, Request } from './install-options.js';
import type { Partial } from './partial.js';
import type { ReportProgress } from './progress.js';
import { defaultVersion, officialArchive, type PinnedRelease } from './releases.js';
import { sha256Of } from './sha256.js';
import type { Parts } from './unpack.js';
import { placeForCpu, placeForCuda, placeFromArchive } from './wheel-parts.js';
import { fetchWheels } from './wheels.js';

/** An install under way. */
export interface Work extends Request {
  partial: Partial;
  signal: AbortSignal;
  report: ReportProgress;
}

/**
 * The files to unpack, and what of them is wanted.
 *
 * @throws NacueError `ERR_NACUE_LIBTORCH_FETCH`, `ERR_NACUE_LIBTORCH_DAMAGED`, `ERR_NACUE_CACHE`
 */
export async function fetchParts(work: Work): Promise<Parts> {
  const { source, cuda, partial } = work;
  if ('archive' in source) {
    const fetched = describeArchive(source, work.version);
    return { ...fetched, files: [await fetchArchive(source, fetched, work)], placement: placeFromArchive };
  }
  const { release } = source;
  requireSpace(partial.parent, bytesNeeded(release) - sizeOf(partial.downloads));
  return {
    title: `what was fetched of LibTorch ${release.version}`,
    fixes: ['run it again', ...otherWays(release.version, cuda)],
    files: await fetchWheels({ ...work, release }),
    placement: cuda ? placeForCuda : placeForCpu,
  };
}

/** pip keeps the wheel it fetches and a copy of it for a moment; later what is unpacked lies beside all of them. */
function bytesNeeded({ wheels, downloadBytes, diskBytes }: PinnedRelease): number {
  return downloadBytes + Math.max(diskBytes, ...wheels.map(({ size }) => size));
}

/** By the name that the user gave. */
function describeArchive({ archive, sha256 }: ArchiveSource, version = defaultVersion): Fetched {
  const isFile = typeof archive === 'string';
  return {
    title: isFile ? archive : maskAddresses(archive.href),
    fixes: [
      isFile
        ? `check the file: \`unzip -t ${archive}\``
        : 'check the address in a browser, then run it again: it is fetched anew',
      `fetch the official archive: \`npx nacue libtorch install --from ${officialArchive(version)}\``,
      sha256 === undefined
        ? 'give --sha256 with the hash that whoever published the archive states: it tells a damaged one at once'
        : 'check the hash that was given as --sha256',
    ],
  };
}

async function fetchArchive({ archive, sha256 }: ArchiveSource, fetched: Fetched, work: Work): Promise<string> {
  const file = typeof archive === 'string' ? archive : path.join(work.partial.downloads, 'archive.zip');
  if (typeof archive === 'string') await requireReadable(file);
  else await downloadFile({ ...work, url: archive, file });
  if (sha256 === undefined || (await sha256Of(file, work.signal)) === sha256) return file;
  throw damaged(fetched, `is not the archive that is wanted: its SHA-256 is not ${sha256}`);
}

async function requireReadable(file: string): Promise<void> {
  await fs.promises.access(file, fs.constants.R_OK).catch((cause) => {
    throw fetchFailure({ problem: `${file} cannot be read.`, fixes: ['change its permissions'], cause });
  });
}
