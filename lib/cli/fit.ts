import { prepareOutputs } from './check-outputs.js';
import { defineCommand } from './command.js';
import { dataArgument, dataOptions, openData } from './data-options.js';
import { detectorOptionsOf, fitOptions, runOptions } from './detector-options.js';
import { exitCodes } from './exit-codes.js';
import { modelArgument } from './model-argument.js';
import { SampleProgress } from './sample-progress.js';
import { json, quiet, stateOut } from './shared-options.js';
import { printJson, tell } from './terminal.js';

export const fit = defineCommand({
  name: 'fit',
  summary: 'count the neuron states of in-distribution samples and save them',
  configurable: true,
  args: [modelArgument, dataArgument],
  options: { out: stateOut, ...fitOptions, ...dataOptions, ...runOptions, quiet, json },
  examples: [
    {
      line: 'npx nacue fit model.pt train.npy --layers layer3,avgpool -o model.nacue',
      summary: 'an array (N, ...) of training samples',
    },
    {
      line: 'npx nacue fit resnet50.pt train/ --transform imagenet --balanced 1 --preset imagenetResNet50 -o resnet50.nacue',
      summary: 'a folder of images by class, published settings',
    },
  ],
  async run({ args: [model, ...paths], options, signal }) {
    const { NACUE } = await import('../nacue.js');
    await prepareOutputs({ '--out': options.out }, [model as string, ...paths]);
    const samples = await openData(paths, options, signal);
    const progress = new SampleProgress('fit', samples.count, options);
    try {
      const detector = await NACUE.create(model as string, {
        ...detectorOptionsOf(options, samples.sampleShape),
        signal,
      });
      try {
        const batches = samples.batches({ batchSize: options.batchSize, signal, onSkip: progress.skipped });
        progress.begin();
        await detector.fit(batches, { signal, onProgress: ({ samples }) => progress.update(samples) });
        await detector.save(options.out);
        progress.end();
        const { layers, preset, binning, aggregation, plan, device } = detector;
        if (!options.quiet) tell(`fitted ${progress.summary} into ${options.out}`);
        if (options.json) {
          const result = { state: options.out, samples: detector.samples, skipped: progress.skippedCount };
          printJson({ ...result, preset, binning, aggregation, device, plan, layers });
        }
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
