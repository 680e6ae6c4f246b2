/** The file that a rename puts in the place of another one: where it is, what rights it has, and that the rename lasts. */
import fs, { promises as fsp } from 'node:fs';
import path from 'node:path';

/** Writes a file so that at any moment the old one or the new one is there, whole. */
export async function replaceFile(file: string, bytes: Uint8Array): Promise<void> {
  let temporary: string | undefined;
  try {
    const target = await followLinks(path.resolve(file));
    const mode = await replaceableMode(target);
    const folder = path.dirname(target);
    const name = path.basename(target).slice(0, 60); // the longest name allowed leaves no room for more
    const { randomBytes } = await import('node:crypto'); // only here, and it takes 4 ms
    temporary = path.join(folder, `.${name}.${process.pid}-${randomBytes(6).toString('hex')}.tmp`);
    await writeDurably(temporary, bytes, mode);
    await fsp.rename(temporary, target);
    await syncFolder(folder);
  } catch (error) {
    if (temporary) await fsp.rm(temporary, { force: true }).catch(() => {}); // the first failure says more
    throw error;
  }
}

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

async function writeDurably(file: string, bytes: Uint8Array, mode: number | undefined): Promise<void> {
  const handle = await fsp.open(file, 'wx', 0o666);
  try {
    if (mode !== undefined) await handle.chmod(mode);
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
