import { formatNames } from '../outputs/format-names.js';
import { checkOutputs } from './check-outputs.js';
import { defineCommand, type OptionValues } from './command.js';
import { dataArgument, dataOptions, openData } from './data-options.js';
import { restoreOptions, restoreOptionsOf, runOptions } from './detector-options.js';
import { exitCodes, UsageError } from './exit-codes.js';
import { modelArgument } from './model-argument.js';
import { SampleProgress } from './sample-progress.js';
import { quiet, state } from './shared-options.js';
import { tell } from './terminal.js';

const group = 'Result';

const options = {
  state,
  format: {
    kind: 'choice',
    value: 'FORMAT',
    choices: formatNames,
    default: 'ndjson',
    summary: 'how scores are written',
    group,
  },
  out: {
    kind: 'path',
    short: 'o',
    value: 'FILE',
    summary: 'the file for the scores, in place of stdout',
    group,
    commandLineOnly: true,
  },
  resume: {
    kind: 'flag',
    summary: 'go on with what an interrupted run has left of FILE',
    group,
    commandLineOnly: true,
  },
  layerScores: { kind: 'flag', summary: 'with the coverage of each layer', group },
  logits: { kind: 'flag', summary: 'with what the model predicts', group },
  explain: {
    kind: 'integer',
    value: 'K',
    min: 1,
    summary: 'with the K neurons per layer that cost most coverage',
    group,
  },
  ...dataOptions,
  ...runOptions,
  ...restoreOptions,
  quiet,
} as const;

export type ScoreValues = OptionValues<typeof options>;

export const score = defineCommand({
  name: 'score',
  summary: 'score samples: larger = more out-of-distribution',
  configurable: true,
  args: [modelArgument, dataArgument],
  options,
  examples: [
    { line: 'npx nacue score model.pt new.npy --state model.nacue -o scores.ndjson', summary: 'a record a line' },
    {
      line: 'npx nacue score model.pt photos/ --transform imagenet --state model.nacue --format csv --on-error skip',
      summary: 'images, broken ones left out',
    },
    {
      line: 'npx nacue score model.pt big.npy --state model.nacue -o scores.ndjson --resume',
      summary: 'after an interruption: the same file as without one',
    },
  ],
  async run({ args: [model, ...paths], options, signal }) {
    checkContradictions(paths, options);
    const { NACUE } = await import('../nacue.js');
    const { openSink } = await import('../outputs/score-sink.js');
    const { describeRun } = await import('./score-run.js');
    const { passScores } = await import('./score-pass.js');
    const file = options.out === '-' ? undefined : options.out;
    await checkOutputs({ '--out': file }, [model as string, options.state, ...paths]);
    const samples = await openData(paths, options, signal);
    try {
      const run = file === undefined ? {} : await describeRun(model as string, paths, options, samples);
      const sink = await openSink(file, run, options.resume);
      const { records, next } = sink.reached;
      if (options.resume && !options.quiet) tell(`going on after ${records.toLocaleString('en-US')} records`);
      const progress = new SampleProgress('score', samples.count, options, records);
      let isDone = false;
      try {
        const detector = await NACUE.restore(model as string, options.state, { ...restoreOptionsOf(options), signal });
        try {
          progress.begin();
          isDone = await passScores({ detector, samples, sink, from: next, progress, options, signal });
        } finally {
          await detector.close();
        }
      } finally {
        progress.end();
        const isKept = !isDone && (await sink.leave());
        if (isKept && !options.quiet) tell('what is scored is kept: the same command with --resume goes on');
      }
      if (isDone && !options.quiet) tell(`scored ${progress.summary}${file === undefined ? '' : ` into ${file}`}`);
    } finally {
      await samples.close();
    }
    return exitCodes.ok;
  },
});

function checkContradictions(
  paths: readonly string[],
  { out, resume, format, explain, logits, layerScores }: ScoreValues,
): void {
  if (resume && (out === undefined || out === '-')) throw new UsageError('--resume needs a file: give it with -o');
  if (resume && paths.includes('-')) throw new UsageError('--resume cannot read stdin again: score a file');
  if (format === 'csv' && explain !== undefined) throw new UsageError('--explain does not fit into --format csv');
  if (format === 'npy' && (logits || layerScores || explain !== undefined)) {
    throw new UsageError('--format npy has nothing but scores: leave out --layer-scores, --logits and --explain');
  }
}
