/** What a user may give in place of a path: a glob, or a list of paths in a file. */
import fs from 'node:fs/promises';
import { outOfRange } from '../errors.js';
import { isSystemError } from '../system-error.js';
import { dataError, readFailure } from './data-error.js';

export const stdinPath = '-';
const listPrefix = '@';

/**
 * The paths that are meant, in the order given. What exists under its name is no glob; what a glob finds comes in the order of code points.
 *
 * @throws NacueError `ERR_NACUE_DATA` for what does not exist, cannot be read, or names nothing
 */
export async function expandPaths(paths: readonly string[]): Promise<string[]> {
  if (paths.includes(stdinPath)) {
    if (paths.length > 1) throw outOfRange('paths', `'${stdinPath}' (stdin) alone, or paths without it`, [...paths]);
    return [stdinPath];
  }
  const expanded: string[] = [];
  for (const path of paths) {
    for (const found of path.startsWith(listPrefix) ? await listed(path) : await expandGlob(path)) expanded.push(found);
  }
  return expanded;
}

/** One path per line, as it is: no globs, no lists. */
async function listed(path: string): Promise<string[]> {
  const list = path.slice(listPrefix.length);
  const text = await fs.readFile(list, 'utf8').catch((error) => {
    throw readFailure(list, error);
  });
  const lines = text.split(/\r?\n/).filter((line) => line !== '');
  if (lines.length === 0) throw dataError(`the list '${list}' names no files`);
  if (text.includes('\0')) throw dataError(`the list '${list}' is no text with a path per line`);
  for (const line of lines) {
    if (!(await exists(line))) throw dataError(`'${line}' does not exist; the list '${list}' names it`);
  }
  return lines;
}

async function expandGlob(pattern: string): Promise<string[]> {
  if (await exists(pattern)) return [pattern];
  const { glob, isDynamicPattern } = await import('tinyglobby'); // takes a few ms, and few need it
  if (!isDynamicPattern(pattern)) throw dataError(`'${pattern}' does not exist`);
  const options = { expandDirectories: false, dot: false };
  const files = await glob(pattern, options);
  const found = files.length > 0 ? files : await glob(pattern, { ...options, onlyDirectories: true });
  if (found.length === 0) throw dataError(`no file matches '${pattern}'`);
  return found.map((path) => path.replace(/\/$/, '')).sort(byCodePoints);
}

/** JavaScript compares strings by UTF-16 units, which orders characters beyond U+FFFF before some that are less. */
export function byCodePoints(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

async function exists(path: string): Promise<boolean> {
  try {
    await fs.stat(path);
    return true;
  } catch (error) {
    if (isSystemError(error) && (error.code === 'ENOENT' || error.code === 'ENAMETOOLONG')) return false;
    throw readFailure(path, error);
  }
}
