import { checkOutputs } from './check-outputs.js';
import { defineCommand } from './command.js';
import { exitCodes } from './exit-codes.js';
import { quiet, stateOut } from './shared-options.js';
import { tell } from './terminal.js';

export const merge = defineCommand({
  name: 'merge',
  summary: 'add up states of fits on parts of the data; thresholds are dropped',
  configurable: true,
  args: [
    {
      value: 'STATE',
      summary: 'what `nacue fit` wrote, with the same model and options',
      required: true,
      variadic: true,
    },
  ],
  options: { out: stateOut, quiet },
  examples: [
    {
      line: 'npx nacue merge part-1.nacue part-2.nacue -o all.nacue',
      summary: 'the same bytes as one fit on all of it',
    },
  ],
  async run({ args, options: { out, quiet } }) {
    await checkOutputs({ '--out': out }, args);
    const { NACUE } = await import('../nacue.js');
    const { writeAtomically } = await import('../state.js');
    const merged = NACUE.merge(args);
    await writeAtomically(out, merged);
    if (!quiet) tell(`merged ${args.length} ${args.length === 1 ? 'state' : 'states'} into ${out}`);
    return exitCodes.ok;
  },
});
