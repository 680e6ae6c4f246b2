import { defineCommand } from './command.js';
import { exitCodes } from './exit-codes.js';
import { print } from './terminal.js';

export const libtorchPath = defineCommand({
  name: 'path',
  summary: 'print the folder of the LibTorch that nacue would use',
  options: {},
  examples: [
    { line: 'export NACUE_LIBTORCH=$(npx nacue libtorch path)', summary: 'hold on to it, whatever is installed later' },
  ],
  async run() {
    const { findBinaries } = await import('../addon/binaries.js');
    const { findLibTorch } = await import('../libtorch/search.js');
    print(findLibTorch({ minors: findBinaries().map(({ minor }) => minor) }).dir);
    return exitCodes.ok;
  },
});
