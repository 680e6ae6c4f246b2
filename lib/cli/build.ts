import { defineCommand } from './command.js';
import { exitCodes } from './exit-codes.js';
import { print, tell } from './terminal.js';

export const build = defineCommand({
  name: 'build',
  summary: 'build the native part from source for the LibTorch at hand (needs CMake and a C++ compiler)',
  options: {
    libtorch: { kind: 'text', value: 'DIR', summary: 'the LibTorch to build for (default: the one nacue finds)' },
    out: { kind: 'text', value: 'DIR', summary: "where to put the result (default: the package's own build folder)" },
  },
  examples: [
    { line: 'npx nacue build', summary: 'for the LibTorch that nacue finds' },
    {
      line: 'npx nacue build --libtorch ~/libtorch --out ~/nacue-build',
      summary: 'then set NACUE_PREBUILD=~/nacue-build',
    },
  ],
  async run({ options: { libtorch: named, out }, verbose, signal }) {
    const path = await import('node:path');
    const { findLibTorch } = await import('../libtorch/search.js');
    const { buildFromSource } = await import('./source-build.js');
    const env = named === undefined ? process.env : { ...process.env, NACUE_LIBTORCH: path.resolve(named) };
    const folder = await buildFromSource(findLibTorch({ env }), { out, verbose, signal });
    if (out !== undefined) tell(`set NACUE_PREBUILD=${folder} to use it`);
    print(folder);
    return exitCodes.ok;
  },
});
