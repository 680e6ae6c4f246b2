import { megabytes } from '../byte-size.js';
import { defineCommand } from './command.js';
import { exitCodes, UsageError } from './exit-codes.js';
import { tell } from './terminal.js';

export const libtorchRemove = defineCommand({
  name: 'remove',
  summary: "remove LibTorch from nacue's cache",
  args: [{ value: 'NAME', summary: 'as `npx nacue libtorch list` names them', variadic: true }],
  options: {
    all: { kind: 'flag', summary: 'remove all of them, and what interrupted installs have left' },
  },
  examples: [
    { line: 'npx nacue libtorch remove 2.11.0', summary: 'remove one' },
    { line: 'npx nacue libtorch remove --all', summary: 'remove all' },
  ],
  async run({ args, options: { all } }) {
    if (all && args.length > 0) throw new UsageError('--all leaves no room for names');
    if (!all && args.length === 0) throw new UsageError('nothing to remove: give names, or --all');
    const { cachedNames, removableNames, removeLibTorch } = await import('../libtorch/cache.js');
    const complete = cachedNames();
    const there = removableNames();
    const unknown = args.filter((name) => !there.includes(name));
    if (unknown.length > 0) {
      throw new UsageError(`there is no LibTorch ${unknown.join(', ')}, but ${there.join(', ') || 'none at all'}`);
    }
    for (const name of all ? there : new Set(args)) {
      const what = complete.includes(name) ? `LibTorch ${name}` : `what an interrupted install of ${name} has left`;
      tell(`removed ${what}: ${megabytes(removeLibTorch(name))} freed`);
    }
    return exitCodes.ok;
  },
});
