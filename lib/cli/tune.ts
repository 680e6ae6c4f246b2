import type { Samples } from '../data/samples.js';
import type { NACUE } from '../nacue.js';
import type { Tuning } from '../tune.js';
import type { TuneGrid } from '../tune-grid.js';
import { prepareOutputs } from './check-outputs.js';
import { defineCommand, type OptionValues } from './command.js';
import { dataOptions, idData, namedData, openData, setsGroup } from './data-options.js';
import { detectorOptionsOf, fitOptions, runOptions } from './detector-options.js';
import { exitCodes } from './exit-codes.js';
import { givenOnly } from './given-options.js';
import { modelArgument } from './model-argument.js';
import { Progress } from './progress.js';
import { tellSkipped } from './sample-progress.js';
import { json, quiet, stateOut } from './shared-options.js';
import { print, printJson, tell } from './terminal.js';

const searchGroup = 'Search';

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
    group: searchGroup,
  },
  tryMBins: {
    kind: 'list',
    of: 'integer',
    value: 'N',
    min: 2,
    max: 100_000,
    summary: 'bins to try',
    group: searchGroup,
  },
  tryAlpha: {
    kind: 'list',
    of: 'number',
    value: 'X',
    min: 0,
    aboveMin: true,
    summary:
      'alpha to try; without any to try, M and O* neither: decades from 0.001 to 10,000, M 20, 50, 200, O* 5, 10, 50, 100',
    group: searchGroup,
  },
  tryOStar: { kind: 'list', of: 'integer', value: 'N', min: 1, summary: 'O* to try', group: searchGroup },
  heldBack: {
    kind: 'number',
    value: 'SHARE',
    min: 0,
    max: 0.9,
    default: 0.5,
    summary: 'the share of --id and --ood that the search does not see',
    group: searchGroup,
  },
  maxCandidates: {
    kind: 'integer',
    value: 'N',
    min: 1,
    max: 1_000_000,
    default: 20_000,
    summary: 'combinations that are scored at most',
    group: searchGroup,
  },
  ...fitOptions,
  ...dataOptions,
  ...runOptions,
  quiet,
  json,
} as const;

type TuneValues = OptionValues<typeof options>;

interface OpenedSets {
  fit: Samples;
  id: Samples;
  ood: Map<string, Samples>;
}

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
    const oodPaths = namedData('--ood', options.ood);
    await prepareOutputs({ '--out': options.out }, [
      model as string,
      ...options.fit,
      ...options.id,
      ...[...oodPaths.values()].flat(),
    ]);
    const progress = new Progress(options);
    const opened: Samples[] = [];
    const open = async (paths: readonly string[]) => {
      const samples = await openData(paths, options, signal);
      opened.push(samples);
      return samples;
    };
    try {
      const sets: OpenedSets = { fit: await open(options.fit), id: await open(options.id), ood: new Map() };
      for (const [name, paths] of oodPaths) sets.ood.set(name, await open(paths));
      const created = { ...detectorOptionsOf(options, sets.fit.sampleShape), signal };
      const detector = await NACUE.create(model as string, created);
      try {
        const tuning = await search(detector, sets, progress, { options, signal });
        progress.end();
        try {
          await tuning.detector.save(options.out);
        } finally {
          await tuning.detector.close();
          // Also where the state could not be saved: the search may have taken hours.
          const { detector: _, ...result } = tuning;
          if (options.json) printJson({ state: options.out, ...result });
          else print(String(tuning));
        }
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

async function search(
  detector: NACUE,
  { fit, id, ood }: OpenedSets,
  progress: Progress,
  { options, signal }: { options: TuneValues; signal: AbortSignal },
): Promise<Tuning> {
  const { tune } = await import('../tune.js');
  const { batchSize, metric, heldBack, maxCandidates } = options;
  const batches = (samples: Samples) => samples.batches({ batchSize, signal, onSkip: tellSkipped });
  return tune({
    detector,
    fit: batches(fit),
    id: batches(id),
    ood: Object.fromEntries(Array.from(ood, ([name, samples]) => [name, batches(samples)])),
    grid: gridOf(options),
    metric,
    heldBack,
    maxCandidates,
    signal,
    onProgress: ({ phase, done, total }) =>
      progress.update(phase, () => `${phase}: ${done}${total === undefined ? '' : ` of ${total}`}`),
  });
}

function gridOf({ tryMBins, tryAlpha, tryOStar }: TuneValues): TuneGrid {
  return givenOnly({ mBins: tryMBins, alpha: tryAlpha, oStar: tryOStar });
}
