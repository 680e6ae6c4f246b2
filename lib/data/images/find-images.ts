/** The image files below the paths that were given. */
import path from 'node:path';
import { dataError } from '../data-error.js';
import { byCodePoints } from '../expand-paths.js';
import { kindByName } from '../file-kinds.js';
import { classOf, filesBelow, statOf } from '../files-below.js';

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
  for await (const name of filesBelow(folder)) if (kindByName(name) === 'image') files.push(name);
  if (files.length === 0) throw dataError(`the folder '${folder}' has no images in it`);
  return files.sort(byCodePoints).map((name) => ({ path: path.join(folder, name), label: classOf(name) }));
}
