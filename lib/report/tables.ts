/** The tables of the page: all that its plots show, too, for those who cannot see them. Figures are in `data` elements, in full. */
import type { EvaluatedMetrics, ScoreComparison } from '../evaluate.js';
import { groupTitles, metricColumns, scoreTitles } from '../evaluation-table.js';
import type { EvaluationRecord } from './evaluation-record.js';
import { Html, html } from './html.js';

const groups = ['near', 'far'] as const;

/** A fraction as the percentage that is read, and as it stands in the record. */
export function percentage(fraction: number | null): Html {
  if (fraction === null) return new Html('–');
  return html`<data value="${fraction}">${(100 * fraction).toFixed(2)}</data>`;
}

export function figure(value: number): Html {
  return html`<data value="${value}">${value.toFixed(4)}</data>`;
}

/** Every metric of every score on every OOD set, and the means of the groups. */
export function metricsTable({ evaluation }: EvaluationRecord): Html {
  const columns = metricColumns(evaluation);
  const head = ['OOD set', 'samples', 'score', ...columns.map(({ title }) => title)];
  const rows = (name: string, samples: string, scores: ScoreComparison) =>
    Object.entries(scoreTitles).map(([score, title], i) => {
      const metrics = scores[score as keyof ScoreComparison];
      const first =
        i === 0
          ? html`<th scope="rowgroup" rowspan="4">${name}</th><td rowspan="4" class="figure">${samples}</td>`
          : '';
      const cells = columns.map(
        ({ metric }) =>
          html`<td class="figure" data-metric="${metric}">${percentage(fractionOf(metrics, metric))}</td>`,
      );
      return html`<tr class="${score === 'nacue' ? 'own' : 'other'}" data-set="${name}" data-score="${score}">${first}<th scope="row" class="score">${title}</th>${cells}</tr>`;
    });
  const bodies = groups.flatMap((group) => {
    const mean = evaluation.means[group];
    if (!mean) return [];
    const members = Object.entries(evaluation.sets).filter(([, set]) => set.group === group);
    return [
      ...members.map(([name, set]) => rows(name, String(set.samples), set)),
      ...(members.length > 1 ? [rows(`mean of ${groupTitles[group]}`, '', mean)] : []),
    ].map((lines) => html`<tbody>${lines}</tbody>`);
  });
  return table('In percent; ↑ higher, ↓ lower is better', head, bodies);
}

export function spreadTable({ scores }: EvaluationRecord): Html {
  const head = [
    'set',
    'samples',
    'least',
    '5 %',
    '25 %',
    'median',
    '75 %',
    '95 %',
    'largest',
    'above the threshold, %',
  ];
  return simpleTable(
    'Quantiles of the NAC-UE scores',
    head,
    scores.map(({ set, samples, quantiles, outliers }) => {
      const { min, q05, q25, median, q75, q95, max } = quantiles;
      const spread = [min, q05, q25, median, q75, q95, max].map(figure);
      return [set === 'id' ? 'ID' : set, html`${samples}`, ...spread, percentage(outliers)];
    }),
  );
}

export function curveTable({ curves }: EvaluationRecord, value: 'fpr' | 'precision'): Html {
  const title =
    value === 'fpr'
      ? 'False positive rate, in percent, at a true positive rate of'
      : 'Precision, in percent, at a recall of';
  const rates = curves[0]?.points.map(({ tpr }) => `${+(100 * tpr).toFixed(4)} %`) ?? [];
  return simpleTable(
    title,
    ['set', 'score', ...rates],
    curves.map(({ set, score, points }) => [
      set,
      scoreTitles[score],
      ...points.map((point) => percentage(point[value])),
    ]),
  );
}

export function layerTable({ layers }: EvaluationRecord): Html {
  const head = [
    'OOD set',
    'layer',
    'AUROC alone, %',
    'AUROC without it, %',
    'coverage ID',
    'coverage OOD',
    'part of the distance',
  ];
  const sets = layers[0]?.sets.map(({ set }) => set) ?? [];
  const rows = sets.flatMap((_, s) =>
    layers.map(({ layer, idCoverage, sets }) => {
      const { set, auroc, aurocWithout, coverage, gap } = sets[s] as (typeof sets)[number];
      return [
        set,
        layer,
        percentage(auroc),
        percentage(aurocWithout),
        figure(idCoverage),
        figure(coverage),
        figure(gap),
      ];
    }),
  );
  return simpleTable('What each layer does; the parts add up to the distance of the mean scores', head, rows);
}

export function coverageTable({ coverage, detector }: EvaluationRecord): Html {
  const head = ['layer', 'neurons', 'bins', 'alpha', 'O*', 'reduce', 'weight', 'covered, %'];
  return simpleTable(
    'Layers, and how much of their activation space the fit covers (NAC-ME)',
    head,
    coverage.map((map, i) => {
      const { alpha, oStar, featureReduce, weight } = detector.layers[i] as (typeof detector.layers)[number];
      const options = [map.neurons, map.bins, alpha, oStar].map((value) => html`${value}`);
      return [map.layer, ...options, featureReduce, html`${weight}`, percentage(map.coverage)];
    }),
  );
}

/** Rows of a title and a text. */
export function listTable(caption: string, rows: readonly (readonly [string, string])[]): Html {
  return table(
    caption,
    [],
    [
      html`<tbody>${rows.map(([title, text]) => html`<tr><th scope="row">${title}</th><td class="text">${text}</td></tr>`)}</tbody>`,
    ],
  );
}

/** Text cells to the left, with the first one as the head of its row; what is HTML is a figure, to the right. */
function simpleTable(caption: string, head: readonly string[], rows: readonly (readonly (string | Html)[])[]): Html {
  const cell = (value: string | Html, column: number) => {
    if (column === 0) return html`<th scope="row">${value}</th>`;
    return html`<td class="${value instanceof Html ? 'figure' : 'text'}">${value}</td>`;
  };
  return table(caption, head, [html`<tbody>${rows.map((row) => html`<tr>${row.map(cell)}</tr>`)}</tbody>`]);
}

/** In a box of its own that scrolls, also by keyboard, where the table is too wide. */
function table(caption: string, head: readonly string[], bodies: readonly Html[]): Html {
  const titles = head.map((title) => html`<th scope="col">${title}</th>`);
  const thead = head.length === 0 ? '' : html`<thead><tr>${titles}</tr></thead>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${caption}"><table><caption>${caption}</caption>${thead}${bodies}</table></div>`;
}

function fractionOf(metrics: EvaluatedMetrics, metric: keyof EvaluatedMetrics): number | null {
  return metrics[metric] ?? null;
}
