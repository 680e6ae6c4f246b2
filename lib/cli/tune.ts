import type { Samples } from '../data/samples.js';
import type { TuneGrid } from '../tune-grid.js';
import { defineCommand, type OptionValues } from './command.js';
import { dataOptions, idData, namedData, openData, setsGroup } from './data-options.js';
import { detectorOptionsOf, fitOptions, runOptions } from './detector-options.js';
import { exitCodes } from './exit-codes.js';
import { givenOnly } from './given-options.js';
import { modelArgument } from './model-argument.js';
import { Progress } from './progress.js';
import { json, quiet, stateOut } from './shared-options.js';
import { print, printJson, tell } from './terminal.js';

const search = 'Search';

const options = {
  out: stateOut,
  fit: {
    kind: 'list',
    of: 'text',
    repeated: true,
    value: 'DATA',
    summary: 'samples to fit on; as often as needed',
    required: true,
    group: setsGroup,
  },
  id: idData,
  ood: {
    kind: 'list',
    of: 'text',
    repeated: true,
    value: 'NAME=DATA',
    summary: 'out-of-distribution samples for the choice, one NAME per set; as often as needed',
    required: true,
    group: setsGroup,
  },
  metric: {
    kind: 'choice',
    value: 'NAME',
    choices: ['auroc', 'auprIn', 'auprOut', 'fpr95'],
    default: 'auroc',
    summary: 'what candidates are compared by',
    group: search,
  },
  tryMBins: { kind: 'list', of: 'integer', value: 'N', min: 2, max: 100_000, summary: 'bins to try', group: search },
  tryAlpha: {
    kind: 'list',
    of: 'number',
    value: 'X',
    min: 0,
    aboveMin: true,
    summary:
      'alpha to try; without any to try, M and O* neither: decades from 0.001 to 10,000, M 20, 50, 200, O* 5, 10, 50, 100',
    group: search,
  },
  tryOStar: { kind: 'list', of: 'integer', value: 'N', min: 1, summary: 'O* to try', group: search },
  heldBack: {
    kind: 'number',
    value: 'SHARE',
    min: 0,
    max: 0.9,
    default: 0.5,
    summary: 'the share of --id and --ood that the search does not see',
    group: search,
  },
  maxCandidates: {
    kind: 'integer',
    value: 'N',
    min: 1,
    max: 1_000_000,
    default: 20_000,
    summary: 'combinations that are scored at most',
    group: search,
  },
  ...fitOptions,
  ...dataOptions,
  ...runOptions,
  quiet,
  json,
} as const;

export const tune = defineCommand({
  name: 'tune',
  summary: 'search the layers, M, alpha and O* that tell given sets apart best, and save the fit with them',
  configurable: true,
  args: [modelArgument],
  options,
  examples: [
    {
      line: 'npx nacue tune model.pt --layers layer2,layer3,avgpool --fit train.npy --id val.npy --ood noise=noise.npy -o tuned.nacue',
      summary: 'never with the sets of the final evaluation',
    },
  ],
  async run({ args: [model], options, signal }) {
    const { NACUE } = await import('../nacue.js');
    const { tune: search } = await import('../tune.js');
    const { checkWritable } = await import('../outputs/check-writable.js');
    const oodPaths = namedData('--ood', options.ood);
    await checkWritable(options.out);
    const { batchSize, metric, heldBack, maxCandidates } = options;
    const progress = new Progress(options);
    const opened: Samples[] = [];
    const read = async (paths: readonly string[]) => {
      const samples = await openData(paths, options);
      opened.push(samples);
      const onSkip = ({ error }: { error: Error }) => tell(`nacue: skipped: ${error.message}`);
      return { samples, batches: samples.batches({ batchSize, signal, onSkip }) };
    };
    try {
      const fit = await read(options.fit);
      const id = await read(options.id);
      const ood = new Map<string, Awaited<ReturnType<typeof read>>['batches']>();
      for (const [name, paths] of oodPaths) ood.set(name, (await read(paths)).batches);
      const created = { ...detectorOptionsOf(options, fit.samples.sampleShape), signal };
      const detector = await NACUE.create(model as string, created);
      try {
        const tuning = await search({
          detector,
          fit: fit.batches,
          id: id.batches,
          ood: Object.fromEntries(ood),
          grid: gridOf(options),
          metric,
          heldBack,
          maxCandidates,
          signal,
          onProgress: ({ phase, done, total }) =>
            progress.update(phase, `${phase}: ${done}${total === undefined ? '' : ` of ${total}`}`),
        });
        progress.end();
        await tuning.detector.save(options.out);
        await tuning.detector.close();
        const { detector: _, ...result } = tuning;
        if (options.json) printJson({ state: options.out, ...result });
        else print(String(tuning));
        if (!options.quiet) tell(`the fit with the best options is in ${options.out}`);
      } finally {
        await detector.close();
      }
    } finally {
      progress.end();
      await Promise.all(opened.map((samples) => samples.close()));
    }
    return exitCodes.ok;
  },
});

function gridOf({ tryMBins, tryAlpha, tryOStar }: OptionValues<typeof options>): TuneGrid {
  return givenOnly({ mBins: tryMBins, alpha: tryAlpha, oStar: tryOStar });
}
