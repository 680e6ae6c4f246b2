import { replaceFile } from '../replaced-file.js';
import { outputError } from './output-error.js';

/**
 * Writes a file that is there whole or not at all.
 *
 * @throws NacueError `ERR_NACUE_OUTPUT`
 */
export async function writeOutput(file: string, text: string): Promise<void> {
  await replaceFile(file, Buffer.from(text)).catch((error) => {
    throw outputError(file, error);
  });
}
