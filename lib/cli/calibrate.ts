import { prepareOutputs } from './check-outputs.js';
import { defineCommand } from './command.js';
import { dataArgument, dataOptions, openData } from './data-options.js';
import { restoreOptions, restoreOptionsOf, runOptions } from './detector-options.js';
import { exitCodes } from './exit-codes.js';
import { modelArgument } from './model-argument.js';
import { SampleProgress } from './sample-progress.js';
import { json, quiet, state } from './shared-options.js';
import { print, printJson, tell } from './terminal.js';

export const calibrate = defineCommand({
  name: 'calibrate',
  summary: 'set the threshold above which a sample is an outlier, and save it with the state',
  configurable: true,
  args: [modelArgument, dataArgument],
  options: {
    state,
    tpr: {
      kind: 'number',
      value: 'SHARE',
      min: 0,
      aboveMin: true,
      max: 1,
      default: 0.95,
      summary: 'the share of these samples that passes',
    },
    out: {
      kind: 'path',
      short: 'o',
      value: 'STATE',
      summary: 'another file for the state',
      otherwise: 'the one it comes from',
      commandLineOnly: true,
    },
    ...dataOptions,
    ...runOptions,
    ...restoreOptions,
    quiet,
    json,
  },
  examples: [
    {
      line: 'npx nacue calibrate model.pt held-out.npy --state model.nacue --tpr 0.95',
      summary: 'in-distribution samples that were not in the fit',
    },
  ],
  async run({ args: [model, ...paths], options, signal }) {
    const { NACUE } = await import('../nacue.js');
    const { tpr, batchSize } = options;
    const out = options.out ?? options.state;
    await prepareOutputs({ '--out': out }, [model as string, ...paths]);
    const samples = await openData(paths, options, signal);
    const progress = new SampleProgress('calibrate', samples.count, options);
    try {
      const detector = await NACUE.restore(model as string, options.state, { ...restoreOptionsOf(options), signal });
      try {
        const batches = samples.batches({ batchSize, signal, onSkip: progress.skipped });
        const onProgress = ({ samples }: { samples: number }) => progress.update(samples);
        progress.begin();
        const threshold = await detector.calibrate(batches, { tpr, signal, onProgress });
        await detector.save(out);
        progress.end();
        if (!options.quiet) tell(`calibrated with ${progress.summary}, saved in ${out}`);
        if (options.json) printJson({ threshold, tpr, state: out, skipped: progress.skippedCount });
        else print(String(threshold));
      } finally {
        await detector.close();
      }
    } finally {
      progress.end();
      await samples.close();
    }
    return exitCodes.ok;
  },
});
