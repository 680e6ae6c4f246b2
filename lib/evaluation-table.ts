/** Lays an evaluation out for a terminal. */
import type { EvaluatedMetrics, Evaluation, ScoreComparison } from './evaluate.js';

/** How the compared scores are called, in the order of every table. */
export const scoreTitles = {
  nacue: 'NAC-UE',
  maxSoftmax: 'max-softmax',
  energy: 'energy',
  maxLogit: 'max-logit',
} as const;
export const groupTitles = { near: 'near-OOD', far: 'far-OOD' } as const;

interface Column {
  title: string;
  metric: keyof EvaluatedMetrics;
}

/**
 * One line per set and score, then the means of each group; all metrics in percent. Takes what {@link evaluate} returned, or the
 * same read back from JSON.
 */
export function formatEvaluation(evaluation: Evaluation): string {
  const columns = metricColumns(evaluation);
  const titles = columns.map(({ title }) => title);
  const head = ['', 'samples', 'score', ...titles];
  const body = [
    ['ID', String(evaluation.id.samples), '', ...titles.map(() => '')],
    ...(['near', 'far'] as const).flatMap((group) => groupRows(evaluation, group, columns)),
  ];
  const table = alignColumns([head, ...body]);
  const rule = '-'.repeat(Math.max(...table.map((line) => line.length)));
  return ['OOD detection, in percent; ↑ higher, ↓ lower is better', table[0], rule, ...table.slice(1)].join('\n');
}

/** The metrics that an evaluation has, in the order of every table. */
export function metricColumns({ tpr }: Evaluation): Column[] {
  const columns: Column[] = [
    { title: 'AUROC ↑', metric: 'auroc' },
    { title: 'AUPR-IN ↑', metric: 'auprIn' },
    { title: 'AUPR-OUT ↑', metric: 'auprOut' },
    { title: 'FPR@95TPR ↓', metric: 'fpr95' },
    { title: 'AUTC ↓', metric: 'autc' },
  ];
  if (tpr !== undefined) columns.splice(4, 0, { title: `FPR@${+(100 * tpr).toFixed(4)}TPR ↓`, metric: 'fprAtTpr' });
  return columns;
}

function groupRows({ sets, means }: Evaluation, group: 'near' | 'far', columns: Column[]): string[][] {
  const mean = means[group];
  if (!mean) return [];
  const members = Object.entries(sets).filter(([, set]) => set.group === group);
  return [
    [groupTitles[group]],
    ...members.flatMap(([name, set]) => comparisonRows(`  ${name}`, String(set.samples), set, columns)),
    ...comparisonRows('  mean', '', mean, columns),
  ];
}

function comparisonRows(title: string, samples: string, scores: ScoreComparison, columns: Column[]): string[][] {
  return (Object.keys(scoreTitles) as (keyof typeof scoreTitles)[]).map((score, i) => [
    ...(i === 0 ? [title, samples] : ['', '']),
    scoreTitles[score],
    ...columns.map(({ metric }) => percent(scores[score][metric])),
  ]);
}

/** AUTC may be NaN, which JSON hands back as null. */
function percent(value: number | null | undefined): string {
  return typeof value === 'number' && Number.isFinite(value) ? (100 * value).toFixed(2) : '-';
}

/** Text columns to the left, figures to the right. */
function alignColumns(rows: string[][]): string[] {
  const widths = (rows[0] as string[]).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const isText = (column: number) => column === 0 || column === 2;
  return rows.map((row) =>
    row
      .map((cell, column) =>
        isText(column) ? cell.padEnd(widths[column] as number) : cell.padStart(widths[column] as number),
      )
      .join('  ')
      .trimEnd(),
  );
}
