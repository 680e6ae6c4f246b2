import type { BenchRow } from './bench-run.js';
import { defineCommand } from './command.js';
import { detectorOptionsOf, fitOptions, isPublished, runOptions } from './detector-options.js';
import { exitCodes } from './exit-codes.js';
import { modelArgument } from './model-argument.js';
import { Progress } from './progress.js';
import { json, quiet, sampleShape } from './shared-options.js';
import { alignRows, print, printJson, tell } from './terminal.js';

export const bench = defineCommand({
  name: 'bench',
  summary: 'measure this model on this machine: samples per second of fit and score',
  configurable: true,
  args: [modelArgument],
  options: {
    shape: {
      ...sampleShape,
      summary: 'the shape of one sample, for example 3,224,224; samples are noise',
      required: true,
    },
    batchSizes: {
      kind: 'list',
      of: 'integer',
      short: 'b',
      value: 'N',
      min: 1,
      summary: 'batch sizes to measure',
      otherwise: '1,8,64',
    },
    seconds: {
      kind: 'number',
      value: 'S',
      min: 0,
      aboveMin: true,
      default: 2,
      summary: 'how long each measurement takes, about',
    },
    ...fitOptions,
    ...runOptions,
    quiet,
    json,
  },
  examples: [
    { line: 'npx nacue bench model.pt --shape 3,224,224', summary: 'with the layers that `nacue inspect` suggests' },
    {
      line: 'npx nacue bench model.pt --shape 3,224,224 --layers avgpool -b 32 --mode fast',
      summary: 'other options, other numbers',
    },
  ],
  async run({ args: [model], options, signal }) {
    const { NACUE } = await import('../nacue.js');
    const { inspect } = await import('../inspect.js');
    const { suggestLayers } = await import('../suggest-layers.js');
    const { machineOf, measure } = await import('./bench-run.js');
    const { shape, batchSizes = [1, 8, 64], seconds } = options;
    const asked = { ...options };
    if (asked.layers === undefined && !isPublished(asked.preset)) {
      const suggested = suggestLayers(await inspect(model as string, { inputShape: shape }));
      Object.assign(asked, { layers: suggested.map(({ layer }) => layer) });
    }
    const detector = await NACUE.create(model as string, { ...detectorOptionsOf(asked, shape), signal });
    const progress = new Progress(options);
    const rows: BenchRow[] = [];
    try {
      for (const batchSize of batchSizes) {
        progress.update(String(batchSize), () => `batches of ${batchSize}`);
        rows.push(await measure(detector, shape, batchSize, seconds, signal));
      }
      progress.end();
      const { plan, device } = detector;
      const layers = detector.layers.map(({ name }) => name);
      const result = { machine: await machineOf(), device, plan, layers, rows };
      if (options.json) printJson(result);
      else {
        print(tableOf(rows).join('\n'));
        if (!options.quiet) tell(`\n${result.machine.cpu}, ${device}, ${plan.mode} mode, layers ${layers.join(', ')}`);
      }
    } finally {
      progress.end();
      await detector.close();
    }
    return exitCodes.ok;
  },
});

function tableOf(rows: readonly BenchRow[]): string[] {
  const number = (value: number) => value.toLocaleString('en-US', { maximumFractionDigits: value < 100 ? 1 : 0 });
  const lines = rows.map(({ batchSize, fit, score, scoreMs }) => [
    String(batchSize),
    number(fit),
    number(score),
    `${scoreMs.toFixed(2)} ms`,
  ]);
  return alignRows([['BATCH', 'FIT/s', 'SCORE/s', 'PER BATCH'], ...lines]);
}
