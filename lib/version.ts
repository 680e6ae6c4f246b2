import fs from 'node:fs';
import path from 'node:path';
import { loadBinding } from './addon/open.js';

/** The version of this package. */
export const version: string = readVersion();

/**
 * The version of the LibTorch in use, for example `2.11.0`. Opens LibTorch.
 *
 * @throws NacueError `ERR_NACUE_LIBTORCH_NOT_FOUND`, `ERR_NACUE_LIBTORCH_VERSION`, `ERR_NACUE_LOAD_FAILED`
 */
export function libtorchVersion(): string {
  return loadBinding().libtorchVersion();
}

function readVersion(): string {
  const file = path.join(__dirname, '..', 'package.json');
  return (JSON.parse(fs.readFileSync(file, 'utf8')) as { version: string }).version;
}
