/** The report: one HTML file that needs no network and, for its tables and pictures, no scripts. */
import { createHash } from 'node:crypto';
import type { EvaluationRecord, ExtremeSample } from './evaluation-record.js';
import { Html, html, scriptJson } from './html.js';
import { pageScript } from './page-script.js';
import { pageStyle } from './page-style.js';
import type { PlotName } from './plot-names.js';
import {
  coverageTable,
  curveTable,
  figure,
  layerTable,
  listTable,
  metricsTable,
  percentage,
  spreadTable,
} from './tables.js';
import type { Spec } from './vega.js';

interface PageParts {
  record: EvaluationRecord;
  /** Vega specifications. */
  specs: Readonly<Record<PlotName, Spec>>;
  vega: { code: string; license: string; version: string };
}

interface Section {
  id: string;
  title: string;
  content: Html;
}

export function writePage({ record, specs, vega }: PageParts): string {
  const scripts = [`/*!\n${inComment(vega.license)}\n*/\n${vega.code}`, pageScript].map(inScript);
  const sections = sectionsOf(record, vega.version);
  const names = Object.keys(record.evaluation.sets);
  const title = `NAC-UE: ID against ${names.join(', ')}`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy(scripts)}">
<title>${title}</title>
<style>${new Html(pageStyle)}</style>
</head>
<body>
<a class="skip" href="#results">To the results</a>
<header>
<h1>${title}</h1>
<p class="muted">How well a detector tells out-of-distribution samples (OOD) from those of the classes it knows (ID). nacue ${record.versions.nacue}, <time datetime="${record.created}">${record.created.slice(0, 16).replace('T', ' ')} UTC</time></p>
<nav aria-label="Sections"><ul>${sections.map(({ id, title }) => html`<li><a href="#${id}">${title}</a></li>`)}</ul></nav>
</header>
<main>
${sections.map(({ id, title, content }) => html`<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2>${content}</section>`)}
</main>
<footer><p class="muted">Drawn with Vega ${vega.version}, which is part of this file.</p></footer>
<script type="application/json" id="plot-specs">${scriptJson(specs)}</script>
${scripts.map((script) => new Html(`<script>${script}</script>`))}
</body>
</html>
`.text;
}

function sectionsOf(record: EvaluationRecord, vegaVersion: string): Section[] {
  return [
    { id: 'results', title: 'Results', content: html`${verdict(record)}${metricsTable(record)}` },
    {
      id: 'scores',
      title: 'Scores',
      content: html`${thresholdText(record)}${plot('histogram', 'Histograms of the scores')}${withTable(spreadTable(record))}`,
    },
    {
      id: 'curves',
      title: 'ROC and precision-recall',
      content: html`<p>OOD is the positive class. Steeper and higher is better.</p>
${plot('roc', 'ROC curves')}${withTable(curveTable(record, 'fpr'))}
${plot('precision-recall', 'Precision-recall curves')}${withTable(curveTable(record, 'precision'))}`,
    },
    {
      id: 'layers',
      title: 'Layers',
      content: html`<p>A layer that is good alone and whose absence costs something is worth its time; one that does better when it is left out is not.</p>
${plot('layers', 'What each layer does')}${withTable(layerTable(record))}`,
    },
    {
      id: 'coverage',
      title: 'Coverage of neurons and bins',
      content: html`<p>How far the samples of the fit have covered each bin of each neuron: 1 where a bin was met at least O* times.</p>
${plot('coverage', 'Coverage maps')}${coverageTable(record)}`,
    },
    { id: 'samples', title: 'Most and least covered samples', content: samplesOf(record) },
    { id: 'made', title: 'Options and versions', content: optionsOf(record, vegaVersion) },
  ];
}

function verdict({ evaluation }: EvaluationRecord): Html {
  const sets = Object.entries(evaluation.sets).map(
    ([name, { nacue }]) => html`${name}: AUROC ${percentage(nacue.auroc)} %, FPR@95TPR ${percentage(nacue.fpr95)} %`,
  );
  return html`<p>${evaluation.id.samples} ID samples.</p><ul>${sets.map((set) => html`<li>${set}</li>`)}</ul>`;
}

function thresholdText({ threshold, scores }: EvaluationRecord): Html {
  const passing = 1 - (scores[0]?.outliers ?? 0);
  const origin =
    threshold.from === 'calibration'
      ? html`It comes from the calibration of the detector; ${percentage(passing)} % of the ID samples here pass.`
      : html`The detector has none of its own: ${percentage(passing)} % of the ID samples here pass it.`;
  return html`<p>A sample above the threshold ${figure(threshold.value)} counts as out-of-distribution. ${origin}</p>`;
}

function plot(name: PlotName, title: string): Html {
  return html`<figure class="scroll" tabindex="0" role="group" aria-label="${title}"><div id="plot-${name}"></div></figure>`;
}

function withTable(table: Html): Html {
  return html`<details><summary>The same as a table</summary>${table}</details>`;
}

function samplesOf({ scores, samples }: EvaluationRecord): Html {
  const ends = { 'most-covered': 'most covered', 'least-covered': 'least covered' } as const;
  const lists = scores.flatMap(({ set }) =>
    Object.entries(ends).flatMap(([end, title]) => {
      const members = samples.filter((sample) => sample.set === set && sample.end === end);
      if (members.length === 0) return [];
      return [html`<h3>${set === 'id' ? 'ID' : set}, ${title}</h3><ul class="samples">${members.map(sampleItem)}</ul>`];
    }),
  );
  return html`<p>The least covered ID samples are the first false alarms; the most covered OOD samples are the first to be missed.</p>${lists}`;
}

function sampleItem({ index, name, label, score, predicted, picture }: ExtremeSample): Html {
  const title = name ?? `sample ${index}`;
  const image = picture === undefined ? '' : html`<img src="${picture}" alt="${title}">`;
  const class_ = label === undefined ? '' : html`<br>class ${label}`;
  return html`<li>${image}${title}<br>score ${figure(score)}${class_}<br>taken for class ${predicted}</li>`;
}

function optionsOf({ about, detector, versions, created }: EvaluationRecord, vegaVersion: string): Html {
  const { plan } = detector;
  const rows: [string, string][] = [
    ...Object.entries(about),
    ['samples of the fit', String(detector.samples)],
    ['preset', detector.preset],
    ['bins', detector.binning],
    ['layers are', detector.aggregation === 'mean' ? 'averaged' : 'added up'],
    ['device', detector.device],
    ['mode', `${plan.mode}, ${plan.precision}, ${plan.memoryFormat}`],
    ['nacue', versions.nacue],
    ['LibTorch', versions.libtorch],
    ['Node.js', versions.node],
    ['Vega', vegaVersion],
    ['created', created],
  ];
  return listTable('How this was made', rows);
}

/** Nothing is loaded and nothing runs but the scripts of the page. Vega compiles the expressions of its specifications: 'unsafe-eval'. */
function policy(scripts: readonly string[]): string {
  const hashes = scripts.map((script) => `'sha256-${createHash('sha256').update(script).digest('base64')}'`);
  return `default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src ${hashes.join(' ')} 'unsafe-eval'`;
}

/** No text of a script may end its element or begin a comment of HTML. */
function inScript(code: string): string {
  return code.replace(/<\/(script)/gi, '<\\/$1').replace(/<!--/g, '<\\!--');
}

function inComment(text: string): string {
  return text.replaceAll('*/', '* /');
}
