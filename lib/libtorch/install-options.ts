/** What an install is asked for, and where it will end up. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { invalidType, outOfRange } from '../errors.js';
import { maskAddresses } from '../masked-addresses.js';
import { checkBoolean, checkFunction, checkKeys, checkPath, checkSignal } from '../option-checks.js';
import { cacheName, libtorchCacheDir } from './cache.js';
import type { ReportProgress } from './progress.js';
import { defaultVersion, findRelease, type PinnedRelease, type ReleaseTable } from './releases.js';
import type { Environment } from './search.js';

export interface InstallOptions {
  /** Default 2.11.0, the version that the numbers are compared on; `2.15` means its newest patch. */
  version?: string;
  /** With LibTorch's CUDA part and NVIDIA's libraries; default false. */
  cuda?: boolean;
  /** An absent or empty folder that becomes the LibTorch; default a folder of the user's cache. */
  dir?: string;
  /** An official LibTorch archive, by path or URL, in place of the wheels on PyPI. */
  from?: string;
  /** The SHA-256 that the archive must have, in hexadecimal digits. */
  sha256?: string;
  /** In place of `process.env`. */
  env?: Environment;
  onProgress?: ReportProgress;
  /** Stops the install, which rejects with its reason; files that have arrived whole are kept for the next one. */
  signal?: AbortSignal;
}

/** Wheels of a known release, or an archive. */
export type Source = { release: PinnedRelease } | ArchiveSource;

export interface ArchiveSource {
  /** A file's path, or where it is fetched from. */
  archive: URL | string;
  sha256: string | undefined;
}

export interface Request {
  /** The folder's name in the cache. */
  name: string;
  dir: string;
  /** Chosen by the caller, not in the cache. */
  hasOwnDir: boolean;
  source: Source;
  /** As far as it is known before an archive is read. */
  version: string | undefined;
  cuda: boolean;
  env: Environment;
}

const keys = ['version', 'cuda', 'dir', 'from', 'sha256', 'env', 'onProgress', 'signal'];

export function readOptions(options: InstallOptions, table: ReleaseTable): Request {
  checkOptions(options);
  const { version, cuda = false, env = process.env } = options;
  const source = sourceOf(options, table);
  const known = 'release' in source ? source.release.version : (version ?? versionInName(source.archive));
  const name = known ? cacheName(known, cuda) : nameFor(source);
  const hasOwnDir = options.dir !== undefined;
  const dir = options.dir === undefined ? path.join(libtorchCacheDir(env), name) : realPath(options.dir);
  return { name, dir, hasOwnDir, source, version: known, cuda, env };
}

/** The rename that completes an install would replace a link, not the folder it leads to. */
function realPath(dir: string): string {
  return fs.existsSync(dir) ? fs.realpathSync(dir) : path.resolve(dir);
}

function checkOptions(options: InstallOptions): void {
  checkKeys('options', options, keys);
  const { version, cuda, dir, from, sha256, onProgress, signal } = options;
  if (version !== undefined) {
    if (typeof version !== 'string') throw invalidType('version', 'a version like 2.11.0', version);
    if (!/^\d+\.\d+(\.\d+)?$/.test(version)) throw outOfRange('version', 'a version like 2.11.0', version);
  }
  checkBoolean('cuda', cuda);
  if (dir !== undefined) checkPath('dir', dir);
  if (from !== undefined) checkPath('from', from);
  if (sha256 !== undefined) {
    if (typeof sha256 !== 'string') throw invalidType('sha256', '64 hexadecimal digits', sha256);
    if (!/^[0-9a-f]{64}$/i.test(sha256)) throw outOfRange('sha256', '64 hexadecimal digits', sha256);
    if (from === undefined) throw outOfRange('sha256', 'given with from: the wheels on PyPI have known hashes', sha256);
  }
  if (options.env !== undefined && (typeof options.env !== 'object' || options.env === null))
    throw invalidType('env', 'an object', options.env);
  checkFunction('onProgress', onProgress);
  checkSignal(signal);
}

function sourceOf(
  { version = defaultVersion, cuda = false, from, sha256 }: InstallOptions,
  table: ReleaseTable,
): Source {
  if (from === undefined) return { release: findRelease(version, cuda, table) };
  const url = /^(https?|file):/i.test(from) && URL.canParse(from) ? new URL(from) : undefined;
  if (url && url.protocol !== 'file:') return { archive: url, sha256: sha256?.toLowerCase() };
  const file = path.resolve(url ? fileURLToPath(url) : from);
  if (!fs.statSync(file, { throwIfNoEntry: false })?.isFile())
    throw outOfRange('from', 'an http or https URL or a file that is there', maskAddresses(from));
  return { archive: file, sha256: sha256?.toLowerCase() };
}

/** PyTorch's own archives have it: `libtorch-shared-with-deps-2.11.0%2Bcpu.zip`. */
function versionInName(archive: URL | string): string | undefined {
  const file = path.basename(typeof archive === 'string' ? archive : archive.pathname);
  return file.match(/^libtorch-.*-(\d+\.\d+\.\d+)(\+|%2B|\.zip)/i)?.[1];
}

/** The same for the same archive, so that an interrupted download is found again. */
function nameFor(source: Source): string {
  const text = 'archive' in source ? String(source.archive) : '';
  return `archive-${createHash('sha256').update(text).digest('hex').slice(0, 12)}`;
}
