import { megabytes } from '../byte-size.js';
import type { CachedLibTorch } from '../libtorch/cache.js';
import type { LibTorch } from '../libtorch/search.js';
import { defineCommand } from './command.js';
import { exitCodes } from './exit-codes.js';
import { json } from './shared-options.js';
import { alignRows, print, printJson, tell } from './terminal.js';

interface Listed extends CachedLibTorch {
  /** Whether this nacue has a binary for it. */
  hasBinary: boolean;
  /** Whether nacue would use it. */
  used: boolean;
}

export const libtorchList = defineCommand({
  name: 'list',
  summary: "list the LibTorch in nacue's cache",
  options: { json },
  examples: [{ line: 'npx nacue libtorch list', summary: '`*` marks the one that nacue would use' }],
  async run({ options }) {
    const path = await import('node:path');
    const { libtorchCacheDir, listLibTorch } = await import('../libtorch/cache.js');
    const { searchLibTorch } = await import('../libtorch/search.js');
    const { minorsWithBinary } = await import('./minors-with-binary.js');
    const minors = minorsWithBinary();
    const { found } = searchLibTorch({ minors });
    const listed = listLibTorch().map((cached) => ({
      ...cached,
      hasBinary: minors.some((minor) => cached.version.startsWith(`${minor}.`)),
      used: found !== null && [cached.dir, path.join(cached.dir, 'torch')].includes(found.dir),
    }));
    if (options.json) printJson({ cache: libtorchCacheDir(), installed: listed, used: found });
    else printTable(libtorchCacheDir(), listed, found);
    return exitCodes.ok;
  },
});

function printTable(cache: string, listed: readonly Listed[], found: LibTorch | null): void {
  const rows = listed.map(({ name, version, cuda, bytes, hasBinary, used }) => [
    used ? '*' : '',
    name,
    version,
    cuda ? 'CUDA' : 'CPU',
    megabytes(bytes),
    hasBinary ? 'yes' : 'no',
  ]);
  if (rows.length > 0) print(alignRows([['', 'NAME', 'VERSION', 'DEVICE', 'SIZE', 'BINARY'], ...rows]).join('\n'));
  else tell(`there is no LibTorch in ${cache}`);
  if (!found) tell('nacue would use none of them: `npx nacue doctor` says why');
  else if (!listed.some(({ used }) => used))
    tell(`nacue would use LibTorch ${found.version} in ${found.dir} (${found.source})`);
}
