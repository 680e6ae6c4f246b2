/** The image files below the paths that were given. */
import type { Stats } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { dataError, readFailure } from '../data-error.js';
import { byCodePoints } from '../expand-paths.js';
import { kindByName } from '../file-kinds.js';

export interface ImageFile {
  path: string;
  /** The first folder below the one that was given. */
  label: string | undefined;
}

/**
 * Files as they are given, folders with all images below them in the order of code points of the relative path. Hidden files and folders are
 * passed over, links are followed.
 *
 * @throws NacueError `ERR_NACUE_DATA` for a folder that cannot be read or has no images
 */
export async function findImages(paths: readonly string[]): Promise<ImageFile[]> {
  const found: ImageFile[] = [];
  for (const given of paths) {
    const isFolder = (await statOf(given)).isDirectory();
    const files = isFolder ? await imagesIn(given) : [{ path: given, label: undefined }];
    for (const file of files) found.push(file); // not push(...files): there may be more than a call takes
  }
  return found;
}

async function imagesIn(folder: string): Promise<ImageFile[]> {
  const files: string[] = [];
  await walk(folder, '', [], files);
  if (files.length === 0) throw dataError(`the folder '${folder}' has no images in it`);
  return files.sort(byCodePoints).map((relative) => ({
    path: path.join(folder, relative),
    label: relative.includes('/') ? relative.slice(0, relative.indexOf('/')) : undefined,
  }));
}

/** `relative` ends in `/` where it is not empty; `above` are the folders on the way, against links in circles. */
async function walk(root: string, relative: string, above: readonly string[], files: string[]): Promise<void> {
  const folder = path.join(root, relative);
  const real = await attempt(folder, fs.realpath(folder));
  if (above.includes(real)) return;
  for (const entry of await attempt(folder, fs.readdir(folder, { withFileTypes: true }))) {
    if (entry.name.startsWith('.')) continue;
    const name = `${relative}${entry.name}`;
    const kind = entry.isSymbolicLink() ? await targetOf(path.join(root, name)) : entry;
    if (kind?.isDirectory()) await walk(root, `${name}/`, [...above, real], files);
    // A link to nothing is kept when it is named like an image: reading it says what is wrong.
    else if (kindByName(name) === 'image' && (!kind || kind.isFile())) files.push(name);
  }
}

async function targetOf(link: string): Promise<Stats | undefined> {
  return fs.stat(link).catch(() => undefined);
}

function statOf(file: string): Promise<Stats> {
  return attempt(file, fs.stat(file));
}

function attempt<T>(name: string, call: Promise<T>): Promise<T> {
  return call.catch((error) => {
    throw readFailure(name, error);
  });
}
