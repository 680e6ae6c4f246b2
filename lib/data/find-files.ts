/** What lies under the paths given: images, or files of arrays with the class folders that they are in. */
import type { Dirent, Stats } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { dataError, readFailure } from './data-error.js';
import { byCodePoints } from './expand-paths.js';
import { type FileKind, kindByName } from './file-kinds.js';

export interface ArrayFile {
  path: string;
  /** undefined where neither the name nor a folder tells: the bytes may. */
  kind: Exclude<FileKind, 'image'> | undefined;
  /** A pipe or device, to be read from its start to its end. */
  isStream: boolean;
  /** The first folder below the one that was given. */
  label: string | undefined;
}

/** undefined: the paths name images and folders of images. */
export async function findArrayFiles(paths: readonly string[]): Promise<ArrayFile[] | undefined> {
  const found: ArrayFile[] = [];
  let imagesAt: string | undefined;
  for (const given of paths) {
    const stats = await statOf(given);
    const files = stats.isDirectory() ? await arraysInFolder(given) : arrayAt(given, stats);
    if (files === undefined) imagesAt ??= given;
    for (const file of files ?? []) found.push(file);
  }
  const [array] = found;
  if (array && imagesAt !== undefined)
    throw dataError(`'${imagesAt}' is or holds images, '${array.path}' is an array: they cannot be read together`);
  return array && found;
}

function arrayAt(file: string, stats: Stats): ArrayFile[] | undefined {
  const kind = kindByName(file);
  if (kind === 'image') return undefined;
  return [{ path: file, kind, isStream: !stats.isFile(), label: undefined }];
}

/** The arrays in a folder and those below it, without hidden ones, in the order of code points; undefined as soon as there is an image. */
async function arraysInFolder(folder: string): Promise<ArrayFile[] | undefined> {
  const found: ArrayFile[] = [];
  for await (const file of filesBelow(folder)) {
    const kind = kindByName(file);
    if (kind === 'image') return undefined;
    if (kind === undefined) continue;
    const [label, ...rest] = path.relative(folder, file).split(path.sep);
    found.push({ path: file, kind, isStream: false, label: rest.length > 0 ? label : undefined });
  }
  if (found.length === 0) throw dataError(`the folder '${folder}' has no images and no arrays in it`);
  return found.sort((a, b) => byCodePoints(a.path, b.path));
}

async function* filesBelow(folder: string): AsyncGenerator<string> {
  const folders = [folder];
  for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
    for (const entry of await entriesOf(next)) {
      const file = path.join(next, entry.name);
      if (entry.name.startsWith('.')) continue;
      if (entry.isDirectory()) folders.push(file);
      else if (entry.isFile() || (entry.isSymbolicLink() && (await statOf(file)).isFile())) yield file;
    }
  }
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  return fs.readdir(folder, { withFileTypes: true }).catch((error) => {
    throw readFailure(folder, error);
  });
}

async function statOf(file: string): Promise<Stats> {
  return fs.stat(file).catch((error) => {
    throw readFailure(file, error);
  });
}
