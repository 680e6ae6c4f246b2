/** Refuses outputs that would replace what the command reads, or each other: nobody means that. */
import { promises as fsp } from 'node:fs';
import path from 'node:path';
import { UsageError } from './exit-codes.js';

/**
 * @param outputs by the flag that names them
 * @param inputs as they were given, also `@lists`
 * @throws UsageError
 */
export async function checkOutputs(
  outputs: Readonly<Record<string, string | undefined>>,
  inputs: readonly string[],
): Promise<void> {
  const read = new Set(await Promise.all(inputs.map((input) => identityOf(input.replace(/^@(?=.)/, '')))));
  const flagsByFile = new Map<string, string>();
  for (const [flag, file] of Object.entries(outputs)) {
    if (file === undefined) continue;
    const identity = await identityOf(file);
    if (identity === undefined) continue;
    if (read.has(identity)) throw new UsageError(`${flag} would replace ${JSON.stringify(file)}, which is read`);
    const other = flagsByFile.get(identity);
    if (other !== undefined) throw new UsageError(`${other} and ${flag} name the same file: ${JSON.stringify(file)}`);
    flagsByFile.set(identity, flag);
  }
}

/**
 * Before hours of work: the same, and whether the files can be written at its end.
 *
 * @throws UsageError; NacueError `ERR_NACUE_OUTPUT`
 */
export async function prepareOutputs(
  outputs: Readonly<Record<string, string | undefined>>,
  inputs: readonly string[],
): Promise<void> {
  await checkOutputs(outputs, inputs);
  const { checkWritable } = await import('../outputs/check-writable.js');
  for (const file of Object.values(outputs)) if (file !== undefined) await checkWritable(file);
}

/** The same for all names of a file; undefined for what is no file, as a folder or a device. */
async function identityOf(file: string): Promise<string | undefined> {
  const stats = await fsp.stat(file, { bigint: true }).catch(() => undefined); // what is not there yet has its path only
  if (stats === undefined) return path.resolve(file);
  return stats.isFile() ? `${stats.dev}:${stats.ino}` : undefined;
}
