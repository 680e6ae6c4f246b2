/** What lies under the paths given: images, or files of arrays with the class folders that they are in. */
import type { Stats } from 'node:fs';
import path from 'node:path';
import { dataError } from './data-error.js';
import { byCodePoints } from './expand-paths.js';
import { type FileKind, kindByName } from './file-kinds.js';
import { classOf, filesBelow, statOf } from './files-below.js';

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

/** The arrays in a folder and those below it, in the order of code points; undefined as soon as there is an image. */
async function arraysInFolder(folder: string): Promise<ArrayFile[] | undefined> {
  const found: ArrayFile[] = [];
  for await (const name of filesBelow(folder)) {
    const kind = kindByName(name);
    if (kind === 'image') return undefined;
    if (kind) found.push({ path: path.join(folder, name), kind, isStream: false, label: classOf(name) });
  }
  if (found.length === 0) throw dataError(`the folder '${folder}' has no images and no arrays in it`);
  return found.sort((a, b) => byCodePoints(a.path, b.path));
}
