import { megabytes } from '../libtorch/disk.js';
import { defineCommand } from './command.js';
import { exitCodes, UsageError } from './exit-codes.js';
import { tell } from './terminal.js';

export const libtorchRemove = defineCommand({
  name: 'remove',
  summary: "remove LibTorch from nacue's cache",
  args: { value: 'NAME', summary: 'as `nacue libtorch list` names them' },
  options: {
    all: { kind: 'flag', summary: 'remove all of them' },
  },
  examples: [
    { line: 'npx nacue libtorch remove 2.11.0', summary: 'remove one' },
    { line: 'npx nacue libtorch remove --all', summary: 'remove all' },
  ],
  async run({ args, options: { all } }) {
    if (all && args.length > 0) throw new UsageError('--all leaves no room for names');
    if (!all && args.length === 0) throw new UsageError('nothing to remove: give names, or --all');
    const { cachedNames, removeLibTorch } = await import('../libtorch/cache.js');
    const there = cachedNames(process.env);
    const unknown = args.filter((name) => !there.includes(name));
    if (unknown.length > 0) {
      throw new UsageError(`there is no LibTorch ${unknown.join(', ')}, but ${there.join(', ') || 'none at all'}`);
    }
    for (const name of all ? there : new Set(args)) {
      tell(`removed LibTorch ${name}: ${megabytes(removeLibTorch(name, process.env))} freed`);
    }
    return exitCodes.ok;
  },
});
