import { plotNames } from '../report/plot-names.js';
import { prepareOutputs } from './check-outputs.js';
import { defineCommand } from './command.js';
import { exitCodes, UsageError } from './exit-codes.js';
import { quiet } from './shared-options.js';
import { tell } from './terminal.js';

export const report = defineCommand({
  name: 'report',
  summary: 'make a page, or a plot, of what `nacue eval -o` wrote: needs vega and vega-lite',
  args: [{ value: 'EVAL', summary: 'what `nacue eval -o` wrote', required: true }],
  options: {
    out: { kind: 'path', short: 'o', value: 'FILE', summary: 'the file to write', otherwise: 'stdout' },
    format: {
      kind: 'choice',
      value: 'FORMAT',
      choices: ['html', 'svg'],
      default: 'html',
      summary: 'the whole page, or one plot',
    },
    plot: { kind: 'choice', value: 'NAME', choices: plotNames, summary: 'the plot of --format svg' },
    quiet,
  },
  examples: [
    { line: 'npx nacue report eval.json -o report.html', summary: 'one file that needs no network' },
    { line: 'npx nacue report eval.json --format svg --plot roc -o roc.svg', summary: 'a plot for a paper' },
  ],
  async run({ args: [file], options: { out, format, plot, quiet } }) {
    if (format === 'svg' && plot === undefined)
      throw new UsageError(`--format svg needs --plot: ${plotNames.join(', ')}`);
    if (format === 'html' && plot !== undefined)
      throw new UsageError('--plot is for --format svg: the page has all plots');
    await prepareOutputs({ '--out': out }, [file as string]);
    const { writeOutput } = await import('../outputs/write-output.js');
    const { readRecord } = await import('../report/read-record.js');
    const { renderPlot, renderReport } = await import('../report/render.js');
    const record = await readRecord(file as string);
    const text = plot === undefined ? await renderReport(record) : `${await renderPlot(record, plot)}\n`;
    if (out === undefined) process.stdout.write(text);
    else await writeOutput(out, text);
    if (out !== undefined && !quiet) tell(`wrote ${out}`);
    return exitCodes.ok;
  },
});
