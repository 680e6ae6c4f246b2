import { promises as fsp } from 'node:fs';
import path from 'node:path';
import { followLinks, replaceableMode } from '../replaced-file.js';
import { outputError } from './output-error.js';

/**
 * Refuses, before hours of work, a file that cannot be replaced at its end.
 *
 * @throws NacueError `ERR_NACUE_OUTPUT`
 */
export async function checkWritable(file: string): Promise<void> {
  try {
    const target = await followLinks(path.resolve(file));
    await replaceableMode(target);
    await fsp.access(path.dirname(target), fsp.constants.W_OK);
  } catch (error) {
    throw outputError(file, error);
  }
}
