/** The file that a rename puts in the place of another one: where it is, what rights it has, and that the rename lasts. */
import fs, { promises as fsp } from 'node:fs';
import path from 'node:path';

/** What a link leads to, so that the link stays; also where there is nothing yet. */
export async function followLinks(file: string, links = 0): Promise<string> {
  if (links > 40) throw new Error('too many links lead from one to the next');
  const target = await unlessMissing(fsp.readlink(file), 'EINVAL');
  return target === undefined ? file : followLinks(path.resolve(path.dirname(file), target), links + 1);
}

/** The permissions of the file that is replaced, where there is one. What is no regular file, or must not be written, stays. */
export async function replaceableMode(file: string): Promise<number | undefined> {
  const stats = await unlessMissing(fsp.stat(file));
  if (!stats) return undefined;
  if (stats.isDirectory()) throw new Error('EISDIR: there is a folder');
  if (!stats.isFile()) throw new Error('there is something that is no regular file');
  await fsp.access(file, fs.constants.W_OK);
  return stats.mode & 0o777;
}

/** Makes a rename in it outlast a crash. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await fsp.open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function unlessMissing<T>(promise: Promise<T>, ...codes: string[]): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (['ENOENT', ...codes].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}
