/** Puts the figures of a run into docs/benchmarks.md, between its markers, and the chart beside it. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Problem, root, say } from '../scripts/steps/project.mjs';
import { chart } from './chart.mjs';

const page = path.join(root, 'docs', 'benchmarks.md');
const picture = path.join(root, 'docs', 'benchmarks.svg');

/** @param {{ markdown: string, rows: object[] }} figures the text, and the rows of the chart */
export function writeDocs({ markdown, rows }) {
  const shown = `${markdown}\n\n![Time of each row over that of pytorch-ood](benchmarks.svg)`;
  const after = withFigures(readFileSync(page, 'utf8'), shown);
  writeFileSync(picture, chart(rows));
  writeFileSync(page, after);
  say('docs', 'docs/benchmarks.md and docs/benchmarks.svg are written');
}

/** The text of the page with other figures. */
export function withFigures(text, figures) {
  const [begin, end] = ['<!-- figures of npm run bench -->', '<!-- end of the figures -->'];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Problem(`docs/benchmarks.md lacks the line ${begin} or ${end}.`);
  return `${text.slice(0, from + begin.length)}\n\n${figures}\n\n${text.slice(to)}`;
}
