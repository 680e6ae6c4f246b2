/** Walks folders of samples. */
import type { Stats } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { readFailure } from './data-error.js';

/**
 * The names of all files below a folder, relative to it, in no order. Hidden files and folders are passed over, links are followed; a link to
 * nothing is named, too: reading it says what is wrong.
 *
 * @throws NacueError `ERR_NACUE_DATA` for a folder that cannot be read
 */
export function filesBelow(folder: string): AsyncGenerator<string> {
  return walk(folder, '', []);
}

/** `relative` ends in `/` where it is not empty; `above` are the folders on the way, against links in circles. */
async function* walk(root: string, relative: string, above: readonly string[]): AsyncGenerator<string> {
  const folder = path.join(root, relative);
  const real = await attempt(folder, fs.realpath(folder));
  if (above.includes(real)) return;
  for (const entry of await attempt(folder, fs.readdir(folder, { withFileTypes: true }))) {
    if (entry.name.startsWith('.')) continue;
    const name = `${relative}${entry.name}`;
    const kind = entry.isSymbolicLink() ? await targetOf(path.join(root, name)) : entry;
    if (kind?.isDirectory()) yield* walk(root, `${name}/`, [...above, real]);
    else if (!kind || kind.isFile()) yield name;
  }
}

/** The first folder on the way to a file, its class. */
export function classOf(relative: string): string | undefined {
  return relative.includes('/') ? relative.slice(0, relative.indexOf('/')) : undefined;
}

export function statOf(file: string): Promise<Stats> {
  return attempt(file, fs.stat(file));
}

async function targetOf(link: string): Promise<Stats | undefined> {
  return fs.stat(link).catch(() => undefined);
}

function attempt<T>(name: string, call: Promise<T>): Promise<T> {
  return call.catch((error) => {
    throw readFailure(name, error);
  });
}
