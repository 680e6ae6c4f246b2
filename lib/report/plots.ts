/** The plots of a report as Vega-Lite specifications. */
import { scoreTitles } from '../evaluation-table.js';
import type { EvaluationRecord } from './evaluation-record.js';
import type { PlotName } from './plot-names.js';
import type { Theme } from './themes.js';
import type { Spec } from './vega.js';

const schema = 'https://vega.github.io/schema/vega-lite/v6.json';
const all = 'all';
/** By score: lines that also differ where colours do not. */
const dashes = [[], [8, 3], [2, 3], [8, 3, 2, 3]];

export function plotSpec(name: PlotName, record: EvaluationRecord, theme: Theme): Spec {
  const specs: Record<PlotName, (record: EvaluationRecord, theme: Theme) => Spec> = {
    histogram,
    roc: (record, theme) => curves(record, theme, rocPlot),
    'precision-recall': (record, theme) => curves(record, theme, precisionRecallPlot),
    layers,
    coverage,
  };
  return { $schema: schema, ...specs[name](record, theme) };
}

function oodNames({ evaluation }: EvaluationRecord): string[] {
  return Object.keys(evaluation.sets);
}

function histogram({ histogram, threshold, ...record }: EvaluationRecord, theme: Theme): Spec {
  const names = oodNames({ histogram, threshold, ...record });
  const { edges } = histogram;
  const rowsOf = (set: string, panel: string) => {
    const counts = histogram.counts.find((entry) => entry.set === set)?.counts ?? [];
    const samples = counts.reduce((sum, count) => sum + count, 0);
    return counts.map((count, i) => ({
      panel,
      samples: set === 'id' ? 'ID' : 'OOD',
      from: edges[i],
      to: edges[i + 1],
      share: count / samples,
    }));
  };
  return {
    description:
      'Histograms of the NAC-UE scores of the in-distribution samples and of each out-of-distribution set, with the threshold.',
    data: { values: names.flatMap((name) => [...rowsOf('id', name), ...rowsOf(name, name)]) },
    facet: {
      row: {
        field: 'panel',
        sort: names,
        title: null,
        header: { labelAngle: 0, labelAlign: 'left', labelOrient: 'top' },
      },
    },
    spec: {
      width: 620,
      height: 110,
      layer: [
        {
          mark: { type: 'bar', binSpacing: 0, tooltip: true },
          encoding: {
            x: {
              field: 'from',
              type: 'quantitative',
              bin: 'binned',
              title: 'NAC-UE score (right: more out-of-distribution)',
            },
            x2: { field: 'to' },
            y: {
              field: 'share',
              type: 'quantitative',
              stack: null,
              title: 'share',
              axis: { format: '.0%', tickCount: 3 },
            },
            color: {
              field: 'samples',
              type: 'nominal',
              title: null,
              scale: { domain: ['ID', 'OOD'], range: [theme.id, theme.ood] },
              legend: { orient: 'top' },
            },
            fillOpacity: { value: 0.6 },
          },
        },
        {
          data: { values: [{ threshold: threshold.value }] },
          mark: {
            type: 'rule',
            strokeDash: [5, 3],
            strokeWidth: 1.5,
            color: theme.threshold,
            tooltip: { content: 'data' },
          },
          encoding: { x: { field: 'threshold', type: 'quantitative' } },
        },
      ],
    },
    resolve: { scale: { y: 'independent' } },
  };
}

interface CurvePlot {
  description: string;
  x: string;
  y: string;
  points(curve: EvaluationRecord['curves'][number]): { x: number[]; y: number[] };
  /** What a guess gives. */
  guess: { x: number; y: number }[];
}

const rocPlot: CurvePlot = {
  description: 'ROC curves of NAC-UE, max-softmax, energy and max-logit for each out-of-distribution set.',
  x: 'false positive rate',
  y: 'true positive rate',
  points: ({ roc }) => ({ x: rounded(roc.fpr), y: rounded(roc.tpr) }),
  guess: [
    { x: 0, y: 0 },
    { x: 1, y: 1 },
  ],
};

const precisionRecallPlot: CurvePlot = {
  description: 'Precision-recall curves of NAC-UE, max-softmax, energy and max-logit for each out-of-distribution set.',
  x: 'recall',
  y: 'precision',
  points: ({ precisionRecall }) => ({ x: rounded(precisionRecall.recall), y: rounded(precisionRecall.precision) }),
  guess: [],
};

/** More digits than a plot can show would only make the page large. */
function rounded(values: readonly number[]): number[] {
  return values.map((value) => Math.round(value * 1e4) / 1e4);
}

function curves(record: EvaluationRecord, theme: Theme, { description, x, y, points, guess }: CurvePlot): Spec {
  const titles = Object.values(scoreTitles);
  const rate = (field: string, title: string) => ({
    field,
    type: 'quantitative',
    title,
    scale: { domain: [0, 1] },
    axis: { tickCount: 5 },
  });
  const score = { field: 'score', type: 'nominal', title: null, legend: { orient: 'top' } };
  return {
    description,
    params: [{ name: 'shown', value: all, bind: { input: 'select', options: [all, ...titles], name: 'Score ' } }],
    data: {
      values: record.curves.map((curve) => ({ set: curve.set, score: scoreTitles[curve.score], ...points(curve) })),
    },
    transform: [{ flatten: ['x', 'y'] }],
    facet: { field: 'set', sort: oodNames(record), title: null },
    columns: oodNames(record).length === 4 ? 2 : 3, // four leave no holes
    spec: {
      width: 230,
      height: 230,
      layer: [
        {
          data: { values: guess },
          mark: { type: 'line', color: theme.grid, strokeDash: [3, 3] },
          encoding: { x: rate('x', x), y: rate('y', y) },
        },
        {
          mark: { type: 'line', strokeWidth: 2, tooltip: true },
          encoding: {
            x: rate('x', x),
            y: rate('y', y),
            order: null,
            color: { ...score, scale: { domain: titles, range: theme.scores } },
            strokeDash: { ...score, scale: { domain: titles, range: dashes } },
            opacity: { condition: { test: `shown === '${all}' || datum.score === shown`, value: 1 }, value: 0.15 },
          },
        },
      ],
    },
  };
}

function layers(record: EvaluationRecord, theme: Theme): Spec {
  const kinds = ['this layer alone', 'all but this layer', 'all layers'];
  const values = record.layers.flatMap(({ layer, sets }) =>
    sets.flatMap(({ set, auroc, aurocWithout }) => [
      { set, layer, kind: kinds[0], auroc },
      ...(aurocWithout === null ? [] : [{ set, layer, kind: kinds[1], auroc: aurocWithout }]),
      { set, layer, kind: kinds[2], auroc: record.evaluation.sets[set]?.nacue.auroc },
    ]),
  );
  const kind = { field: 'kind', type: 'nominal', title: null, legend: { orient: 'top' } };
  return {
    description:
      'For each out-of-distribution set and layer: the AUROC of the layer alone, of all other layers, and of all layers.',
    data: { values },
    facet: { field: 'set', sort: oodNames(record), title: null },
    columns: 2,
    spec: {
      width: 300,
      height: { step: 24 },
      mark: { type: 'point', filled: true, size: 90, opacity: 0.9, tooltip: true },
      encoding: {
        x: { field: 'auroc', type: 'quantitative', title: 'AUROC', scale: { zero: false }, axis: { tickCount: 5 } },
        y: { field: 'layer', type: 'nominal', sort: record.layers.map(({ layer }) => layer), title: null },
        color: { ...kind, scale: { domain: kinds, range: [theme.id, theme.ood, theme.text] } },
        shape: { ...kind, scale: { domain: kinds, range: ['circle', 'square', 'diamond'] } },
      },
    },
    resolve: { axis: { x: 'independent' } }, // else a row that is not full has an axis without a plot
  };
}

function coverage(record: EvaluationRecord): Spec {
  return {
    description:
      'For each layer a map of neurons and bins: how far the samples of the fit have covered them, from 0 to 1.',
    columns: 2,
    concat: record.coverage.map(({ layer, neurons, bins, rows }) => ({
      title: layer,
      width: 300,
      height: Math.min(Math.max(rows.length * 6, 40), 190),
      data: { values: blocksOf(rows, neurons, bins) },
      transform: [{ flatten: ['bin', 'binEnd', 'coverage'] }],
      mark: { type: 'rect', binSpacing: 0, tooltip: true },
      encoding: {
        x: {
          field: 'bin',
          type: 'quantitative',
          bin: 'binned',
          title: 'bin',
          scale: { domain: [0, bins], nice: false },
        },
        x2: { field: 'binEnd' },
        y: {
          field: 'neuron',
          type: 'quantitative',
          bin: 'binned',
          title: 'neurons, by mean bin',
          scale: { domain: [0, neurons], nice: false },
          axis: { tickCount: 4 },
        },
        y2: { field: 'neuronEnd' },
        color: {
          field: 'coverage',
          type: 'quantitative',
          scale: { scheme: 'viridis', domain: [0, 1] },
          title: 'coverage',
        },
      },
    })),
    config: { axis: { grid: false } },
  };
}

/** Each row with the neurons, each of its cells with the bins that it stands for. */
function blocksOf(rows: readonly (readonly number[])[], neurons: number, bins: number): Spec[] {
  return rows.map((row, r) => ({
    neuron: Math.floor((r * neurons) / rows.length),
    neuronEnd: Math.floor(((r + 1) * neurons) / rows.length),
    bin: row.map((_, c) => Math.floor((c * bins) / row.length)),
    binEnd: row.map((_, c) => Math.floor(((c + 1) * bins) / row.length)),
    coverage: row,
  }));
}
