import type { Samples } from '../data/samples.js';
import type { Evaluation } from '../evaluate.js';
import type { NACUE } from '../nacue.js';
import type { EvaluationRecord } from '../report/evaluation-record.js';
import { prepareOutputs } from './check-outputs.js';
import { defineCommand, type OptionValues } from './command.js';
import { dataOptions, idData, namedData, openData, setsGroup } from './data-options.js';
import { restoreOptions, restoreOptionsOf, runOptions } from './detector-options.js';
import { type ExitCode, exitCodes, UsageError } from './exit-codes.js';
import { givenOnly } from './given-options.js';
import { modelArgument } from './model-argument.js';
import { SetBars } from './set-bars.js';
import { json, quiet, state } from './shared-options.js';
import { print, printJson, tell } from './terminal.js';

const result = 'Result';

const options = {
  state,
  id: idData,
  near: {
    kind: 'list',
    of: 'text',
    repeated: true,
    value: 'NAME=DATA',
    summary: 'out-of-distribution samples that resemble them, one NAME per set; as often as needed',
    group: setsGroup,
  },
  far: {
    kind: 'list',
    of: 'text',
    repeated: true,
    value: 'NAME=DATA',
    summary: 'out-of-distribution samples that do not; as often as needed',
    group: setsGroup,
  },
  report: {
    kind: 'path',
    value: 'FILE',
    summary: 'write a page with plots, tables and samples: needs vega and vega-lite',
    group: result,
    commandLineOnly: true,
  },
  out: {
    kind: 'path',
    short: 'o',
    value: 'FILE',
    summary: 'write all that the page shows as JSON, for `nacue report`',
    group: result,
    commandLineOnly: true,
  },
  minAuroc: {
    kind: 'number',
    value: 'SHARE',
    min: 0,
    max: 1,
    summary: 'exit code 6 where the AUROC of NAC-UE on any set is below',
    group: result,
  },
  tpr: {
    kind: 'number',
    value: 'SHARE',
    min: 0,
    max: 1,
    summary: 'a further true positive rate for the false positive rate',
    group: result,
  },
  samples: {
    kind: 'integer',
    value: 'N',
    min: 0,
    max: 100,
    default: 6,
    summary: 'how many of the most and of the least covered samples of each set are kept',
    group: result,
  },
  ...dataOptions,
  ...runOptions,
  ...restoreOptions,
  quiet,
  json,
} as const;

type EvalValues = OptionValues<typeof options>;

interface NamedSamples {
  name: string;
  group: 'id' | 'near' | 'far';
  paths: readonly string[];
  samples: Samples;
}

export const evaluate = defineCommand({
  name: 'eval',
  summary: 'tell how well the scores separate in-distribution from out-of-distribution samples',
  configurable: true,
  args: [modelArgument],
  options,
  examples: [
    {
      line: 'npx nacue eval model.pt --state model.nacue --id test.npy --near cifar100=cifar100.npy --far svhn=svhn.npy --report report.html',
      summary: 'a table, and a page to look at',
    },
    {
      line: 'npx nacue eval model.pt --state model.nacue --id test.npy --far svhn=svhn.npy --min-auroc 0.95 --quiet',
      summary: 'a gate for CI; the exit code is 6 where it is not met',
    },
  ],
  async run({ args: [model], options, signal }) {
    const sources = sourcesOf(options);
    const { NACUE } = await import('../nacue.js');
    await checkResults(model as string, options, sources);
    const opened: NamedSamples[] = [];
    let progress: SetBars | undefined;
    try {
      for (const source of sources) opened.push({ ...source, samples: await openData(source.paths, options, signal) });
      const detector = await NACUE.restore(model as string, options.state, { ...restoreOptionsOf(options), signal });
      try {
        progress = new SetBars(opened, options);
        const about = aboutRun(model as string, options, sources);
        const record = await recordSets(detector, opened, progress, { options, about, signal });
        progress.end();
        const { formatEvaluation } = await import('../evaluation-table.js');
        try {
          await writeOutputs(record, options);
        } finally {
          // Also where a file could not be written: the evaluation may have taken hours.
          if (options.json) printJson({ ...record.evaluation, threshold: record.threshold });
          else print(formatEvaluation(record.evaluation));
        }
        return gate(record.evaluation, options.minAuroc);
      } finally {
        await detector.close();
      }
    } finally {
      progress?.end();
      await Promise.all(opened.map(({ samples }) => samples.close()));
    }
  },
});

function sourcesOf({ id, near = [], far = [] }: EvalValues): Omit<NamedSamples, 'samples'>[] {
  if (near.length + far.length === 0) throw new UsageError('give at least one set with --near or --far');
  const named = (group: 'near' | 'far', values: readonly string[]) =>
    Array.from(namedData(`--${group}`, values), ([name, paths]) => ({ name, group, paths }));
  const sources = [{ name: 'id', group: 'id' as const, paths: id }, ...named('near', near), ...named('far', far)];
  const names = sources.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined)
    throw new UsageError(`the names of sets must differ, also from id: ${JSON.stringify(twice)}`);
  return sources;
}

/** Before hours of work: whether the files can be written, and the page be drawn. */
async function checkResults(
  model: string,
  { state, report, out }: EvalValues,
  sources: readonly Omit<NamedSamples, 'samples'>[],
): Promise<void> {
  await prepareOutputs({ '--out': out, '--report': report }, [model, state, ...sources.flatMap(({ paths }) => paths)]);
  if (report === undefined) return;
  const { checkVega } = await import('../report/vega.js');
  checkVega();
}

async function recordSets(
  detector: NACUE,
  opened: readonly NamedSamples[],
  bars: SetBars,
  { options, about, signal }: { options: EvalValues; about: Record<string, string>; signal: AbortSignal },
): Promise<EvaluationRecord> {
  const { recordEvaluation } = await import('../report/record-evaluation.js');
  const batches = ({ samples }: NamedSamples) =>
    samples.batches({ batchSize: options.batchSize, signal, onSkip: bars.skipped });
  const inGroup = (wanted: NamedSamples['group']) => opened.filter(({ group }) => group === wanted);
  const byName = (sets: NamedSamples[]) => Object.fromEntries(sets.map((set) => [set.name, batches(set)]));
  return recordEvaluation(
    detector,
    { id: batches(opened[0] as NamedSamples), near: byName(inGroup('near')), far: byName(inGroup('far')) },
    {
      signal,
      onProgress: (step) => bars.update(step),
      samples: options.samples,
      about,
      ...givenOnly({ tpr: options.tpr }),
    },
  );
}

async function writeOutputs(record: EvaluationRecord, { report, out, quiet }: EvalValues): Promise<void> {
  const { writeOutput } = await import('../outputs/write-output.js');
  if (out !== undefined) await writeOutput(out, `${JSON.stringify(record)}\n`);
  if (report !== undefined) {
    const { renderReport } = await import('../report/render.js');
    await writeOutput(report, await renderReport(record));
  }
  for (const file of [out, report]) if (file !== undefined && !quiet) tell(`wrote ${file}`);
}

function aboutRun(
  model: string,
  options: EvalValues,
  sources: readonly Omit<NamedSamples, 'samples'>[],
): Record<string, string> {
  const { state, batchSize, transform, limit, balanced, shuffle, seed } = options;
  const given = givenOnly({ transform, limit, balanced, ...(shuffle && { shuffle: seed ?? 0 }) });
  return Object.fromEntries([
    ['model', model],
    ['state', state],
    ...sources.map(({ name, group, paths }) => [group === 'id' ? 'ID' : `${group}: ${name}`, paths.join(', ')]),
    ['batch size', String(batchSize)],
    ...Object.entries(given).map(([name, value]) => [name, String(value)]),
  ]);
}

/** `--min-auroc`: each set counts for itself, a good one does not make up for a bad one. */
function gate({ sets }: Evaluation, least: number | undefined): ExitCode {
  if (least === undefined) return exitCodes.ok;
  const below = Object.entries(sets).filter(([, { nacue }]) => nacue.auroc < least);
  for (const [name, { nacue }] of below) tell(`nacue: the AUROC of ${name} is ${nacue.auroc}, below ${least}`);
  return below.length === 0 ? exitCodes.ok : exitCodes.gate;
}
