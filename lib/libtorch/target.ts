/** What is in the folder that an install aims at? */
import fs from 'node:fs';
import path from 'node:path';
import { outOfRange } from '../errors.js';
import { inspectFolder, libraries } from './folder.js';
import type { Request } from './install-options.js';
import { missingLibraries } from './missing-libraries.js';
import { type LibTorch, searchLibTorch } from './search.js';
import { hasCuda, isVersion } from './unpack.js';

/** The complete LibTorch in a folder, if it is the one that is asked for. */
export function libtorchIn(dir: string, request: Request): LibTorch | null {
  const { version, cuda } = request;
  const found = usableIn(dir, request);
  if (!found || (version !== undefined && !isVersion(found.version, version))) return null;
  if (cuda && !hasCuda(found.dir)) return null;
  return librariesLackedBy(found).length === 0 ? found : null;
}

/** The LibTorch in a folder that nacue would choose, whether or not it opens. */
export function usableIn(dir: string, { hasOwnDir }: Request): LibTorch | null {
  const { found } = searchLibTorch({ env: { NACUE_LIBTORCH: dir } });
  return found && !hasOwnDir ? { ...found, source: 'cache' } : found;
}

/** The folder is made by a rename, which an empty one allows; a mount point allows none. */
export function requireEmpty(dir: string): void {
  const found = fs.statSync(dir, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isDirectory() || fs.readdirSync(dir).length > 0) {
    const flaw = flawOfLibTorch(dir);
    throw outOfRange('dir', `an absent or empty folder${flaw ? `, not a broken LibTorch (${flaw})` : ''}`, dir);
  }
  const here = fs.statSync('.');
  if (found.dev === here.dev && found.ino === here.ino) {
    throw outOfRange('dir', 'another folder than the working folder', dir);
  }
  if (found.dev !== fs.statSync(path.dirname(dir)).dev) {
    throw outOfRange('dir', 'a folder below the place where a disk is mounted, not that place', dir);
  }
}

/** Null where there is no LibTorch, or a whole one. */
function flawOfLibTorch(dir: string): string | null {
  const folder = inspectFolder(dir);
  if ('problem' in folder) return null;
  const lacked = librariesLackedBy(folder);
  return folder.unusable ?? (lacked.length === 0 ? null : `it lacks ${lacked.join(', ')}`);
}

function librariesLackedBy({ dir }: { dir: string }): string[] {
  return [libraries.cpu, libraries.core].flatMap((name) => missingLibraries(path.join(dir, 'lib', name)));
}
