/**
 * NumPy's .npz: a zip archive with one .npy per array. What is stored as it is, as numpy.savez does, is read from the file at any place; what
 * is deflated (numpy.savez_compressed) is a stream, and its checksum is compared at its end.
 */
import { open } from 'node:fs/promises';
import { PassThrough, pipeline } from 'node:stream';
import { crc32 } from 'node:zlib';
import type yauzl from 'yauzl';
import { messageOf } from '../../errors.js';
import { ZipReader } from '../../zip-reader.js';
import { type ByteSource, FileBytes, StreamBytes } from '../byte-source.js';
import { dataError, readFailure } from '../data-error.js';
import type { StoredArray } from './array-source.js';
import { chooseArray } from './choose-array.js';
import { readNpy } from './npy.js';

const stored = 0;
const deflated = 8;

/** Finds the array called `name`, or the only one. */
export async function readNpz(file: string, name: string | undefined): Promise<StoredArray> {
  return readNpy(await inArchive(file, (zip) => memberOf(zip, file, name)));
}

async function memberOf(zip: yauzl.ZipFile, file: string, name: string | undefined): Promise<ByteSource> {
  const members = new Map<string, yauzl.Entry>();
  for await (const entry of zip.eachEntry()) {
    const array = entry.fileName.replace(/\.npy$/, '');
    if (members.has(array)) throw dataError(`'${file}' is damaged: it holds '${array}' twice`);
    if (!entry.fileName.endsWith('/')) members.set(array, entry);
  }
  const chosen = chooseArray(file, [...members.keys()], name);
  return bytesOf(zip, file, chosen, members.get(chosen) as yauzl.Entry);
}

async function bytesOf(zip: yauzl.ZipFile, file: string, array: string, entry: yauzl.Entry): Promise<ByteSource> {
  const name = `${file}: ${array}`;
  const { compressionMethod: method, uncompressedSize: size } = entry;
  if (entry.isEncrypted()) throw dataError(`'${name}' is encrypted`);
  if (method === deflated) return new StreamBytes(name, size, () => inflate(file, entry));
  if (method !== stored) throw dataError(`'${name}' is packed by method ${method}; stored and deflated are read`);
  if (entry.compressedSize !== size) throw dataError(`'${name}' is damaged: it is stored, but in another size`);
  const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
  return new FileBytes(name, file, size, fileDataStart);
}

/** Opens the archive anew: each stream has a file of its own, which is closed with it. */
async function inflate(file: string, entry: yauzl.Entry): Promise<PassThrough> {
  const zip = await openZip(file);
  const content = await zip.openReadStreamPromise(entry).catch((error) => {
    zip.close();
    throw damaged(file, error);
  });
  const checked = async function* (pieces: AsyncIterable<Buffer>) {
    let checksum = 0;
    for await (const piece of pieces) {
      checksum = crc32(piece, checksum);
      yield piece;
    }
    if (checksum !== entry.crc32) throw new Error('its checksum is not the one that the archive says');
  };
  const bytes = new PassThrough();
  pipeline(content, checked, bytes, () => {
    content.destroy(); // after an error of its own it would keep the file open
    zip.close();
  }); // what fails reaches the reader through `bytes`
  return bytes;
}

async function inArchive<T>(file: string, use: (zip: yauzl.ZipFile) => Promise<T>): Promise<T> {
  const zip = await openZip(file);
  try {
    return await use(zip);
  } catch (error) {
    throw damaged(file, error);
  } finally {
    zip.close();
  }
}

async function openZip(file: string): Promise<yauzl.ZipFile> {
  const handle = await open(file).catch((error) => {
    throw readFailure(file, error);
  });
  return new ZipReader(handle).openZip().catch(async (error) => {
    await handle.close();
    throw damaged(file, error);
  });
}

/** yauzl's errors are plain ones. */
function damaged(file: string, error: unknown): unknown {
  const failure = readFailure(file, error);
  const isPlain = failure === error && error instanceof Error && !('code' in error);
  return isPlain ? dataError(`'${file}' is damaged or no .npz: ${messageOf(error)}`, error) : failure;
}
