/** The one readable line about data that cannot be used. */
import { messageOf, NacueError } from '../errors.js';
import { onOneLine } from '../printable.js';
import { isSystemError } from '../system-error.js';

export function dataError(problem: string, cause?: unknown): NacueError {
  return new NacueError('ERR_NACUE_DATA', onOneLine(problem), { cause });
}

/** What the system said when a file was to be read, in words; what is no failure of the system comes back as it is. */
export function readFailure(name: string, error: unknown): unknown {
  if (!isSystemError(error)) return error;
  const known: Record<string, string> = {
    ENOENT: 'does not exist',
    ENOTDIR: 'does not exist: a part of its path is no folder',
    EACCES: 'cannot be read: permission denied',
    EISDIR: 'is a folder',
  };
  return dataError(`'${name}' ${known[error.code ?? ''] ?? `cannot be read: ${messageOf(error)}`}`, error);
}
