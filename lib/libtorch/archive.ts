/** Unpacks zip files, as wheels are: nothing is written outside of the target, and nothing damaged gets through. */
import { createWriteStream } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import zlib from 'node:zlib';
import type yauzl from 'yauzl';
import { anySignal } from '../abort.js';
import { ZipReader } from '../zip-reader.js';

/** The part of an archive that is wanted. */
export interface Archive {
  /** What it takes when unpacked. */
  bytes: number;
  /** Writes all of it below `target`. */
  unpack(target: string, options: UnpackOptions): Promise<void>;
  close(): void;
}

export interface UnpackOptions {
  /** Called with the size of each piece written. */
  onBytes: (bytes: number) => void;
  signal: AbortSignal;
}

/** Where a path in the archive goes below the target; null when it is left out. */
export type Placement = (name: string) => string | null;

interface Item {
  entry: yauzl.Entry;
  /** Relative to the target. */
  place: string;
}

const simultaneous = 4;
const unixFileTypes = 0o170000;
const unixLink = 0o120000;

/** Reads the directory of a zip file. Here and in {@link Archive.unpack}, an error's text says what is wrong with it. */
export async function openArchive(file: string, placement: Placement): Promise<Archive> {
  const reader = new ZipReader(await fs.open(file));
  const zip = await reader.openZip().catch(async (error) => {
    await reader.file.close();
    throw error;
  });
  try {
    const items = await itemsOf(zip, placement);
    return {
      bytes: items.reduce((sum, { entry }) => sum + entry.uncompressedSize, 0),
      unpack: (target, options) => unpack(zip, items, target, options),
      close: () => zip.close(),
    };
  } catch (error) {
    zip.close();
    throw error;
  }
}

/** yauzl itself refuses absolute paths, those with `..` and those with `\`. */
async function itemsOf(zip: yauzl.ZipFile, placement: Placement): Promise<Item[]> {
  const items = new Map<string, Item>();
  for await (const entry of zip.eachEntry()) {
    const place = entry.fileName.endsWith('/') ? null : placement(entry.fileName);
    if (place === null) continue;
    if (!entry.canDecodeFileData()) throw new Error(`${entry.fileName} is encrypted or packed in an unknown way`);
    const key = path.normalize(place);
    if (items.has(key)) throw new Error(`${entry.fileName} is in it twice`);
    items.set(key, { entry, place: key });
  }
  return [...items.values()];
}

async function unpack(zip: yauzl.ZipFile, items: Item[], target: string, options: UnpackOptions): Promise<void> {
  const folders = new Set(items.map(({ place }) => path.dirname(path.join(target, place))));
  for (const folder of folders) await fs.mkdir(folder, { recursive: true });

  await writeFiles(zip, items, target, options);

  // Links come last, so that nothing is written through one.
  const links = items.filter(({ entry }) => isLink(entry));
  for (const { entry, place } of links) {
    await fs.symlink(await text(await zip.openReadStreamPromise(entry)), path.join(target, place));
  }
  const root = await fs.realpath(target);
  for (const { place } of links) {
    const end = await endOfLink(path.join(target, place), place);
    if (!end.startsWith(root + path.sep)) throw new Error(`${place} is a link to ${end}, outside of it`);
  }
}

async function endOfLink(link: string, place: string): Promise<string> {
  return fs.realpath(link).catch((error: NodeJS.ErrnoException) => {
    const leadsNowhere = ['ENOENT', 'ENOTDIR', 'ELOOP'].includes(error.code ?? '');
    throw leadsNowhere ? new Error(`${place} is a link to nothing`, { cause: error }) : error;
  });
}

/** Returns when nothing is written any more, also when one of them fails. */
async function writeFiles(zip: yauzl.ZipFile, items: Item[], target: string, options: UnpackOptions): Promise<void> {
  const stop = new AbortController();
  const signal = anySignal(options.signal, stop.signal);
  const waiting = items.filter(({ entry }) => !isLink(entry)).values();
  const work = async () => {
    try {
      for (const item of waiting) await writeFile(zip, item, target, { ...options, signal });
    } catch (error) {
      stop.abort(error);
    }
  };
  await Promise.all(Array.from({ length: simultaneous }, work));
  stop.signal.throwIfAborted();
}

async function writeFile(zip: yauzl.ZipFile, { entry, place }: Item, target: string, options: UnpackOptions) {
  const { onBytes, signal } = options;
  const content = await zip.openReadStreamPromise(entry);
  const checked = async function* (pieces: AsyncIterable<Buffer>) {
    let checksum = 0;
    for await (const piece of pieces) {
      checksum = zlib.crc32(piece, checksum);
      onBytes(piece.length);
      yield piece;
    }
    if (checksum !== entry.crc32) throw new Error(`${entry.fileName} has another checksum than its archive says`);
  };
  const file = createWriteStream(path.join(target, place), { mode: permissionsOf(entry) });
  await pipeline(content, checked, file, { signal });
}

function isLink(entry: yauzl.Entry): boolean {
  return (unixModeOf(entry) & unixFileTypes) === unixLink;
}

/** Never set-user-id, always readable and writable for the owner. */
function permissionsOf(entry: yauzl.Entry): number {
  const mode = unixModeOf(entry) & 0o777;
  return mode === 0 ? 0o644 : mode | 0o600;
}

/** 0 when the archive was made on a system without them. */
function unixModeOf(entry: yauzl.Entry): number {
  const madeOnUnix = entry.versionMadeBy >> 8 === 3;
  return madeOnUnix ? entry.externalFileAttributes >>> 16 : 0;
}
