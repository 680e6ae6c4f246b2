import { promises as fsp } from 'node:fs';
import { messageOf, NacueError } from '../errors.js';
import { checkRecord } from './check-record.js';
import type { EvaluationRecord } from './evaluation-record.js';

/**
 * Reads what `nacue eval -o` wrote.
 *
 * @throws NacueError `ERR_NACUE_DATA`
 */
export async function readRecord(file: string): Promise<EvaluationRecord> {
  try {
    return checkRecord(JSON.parse(await fsp.readFile(file, 'utf8')));
  } catch (error) {
    throw new NacueError('ERR_NACUE_DATA', `cannot read the evaluation '${file}': ${messageOf(error)}`, {
      cause: error,
    });
  }
}
