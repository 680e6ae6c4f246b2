/** Scores as CSV (RFC 4180): a line of names, CRLF, fields in quotes where they hold a comma, a quote or the end of a line. */
import type { Tensor } from '../results.js';
import type { ScoredBatch, ScoreFormat } from './score-format.js';

type Field = string | number | boolean;

export function csvFormat(layers: readonly string[]): ScoreFormat {
  return {
    batch: (batch, before) => {
      const lines = batch.indices.map((index, i) => lineOf(fieldsOf(batch, index, i)));
      return before === 0 ? `${lineOf(columnsOf(batch, layers))}${lines.join('')}` : lines.join('');
    },
    end: (records) => (records === 0 ? lineOf(['index', 'score']) : ''),
  };
}

function columnsOf(batch: ScoredBatch, layers: readonly string[]): Field[] {
  const { names, labels, isOutlier, layerScores, logits } = batch;
  const classes = logits?.shape[1] ?? 0;
  return [
    'index',
    'score',
    ...(names ? ['name'] : []),
    ...(labels ? ['label'] : []),
    ...(isOutlier ? ['isOutlier'] : []),
    ...(layerScores ? layers.map((name) => `layer ${name}`) : []),
    ...Array.from({ length: classes }, (_, i) => `logit ${i}`),
  ];
}

function fieldsOf(batch: ScoredBatch, index: number, i: number): Field[] {
  const { scores, names, labels, isOutlier, layerScores, logits } = batch;
  return [
    index,
    scores[i] as number,
    ...(names ? [names[i] as string] : []),
    ...(labels ? [labels[i] as string] : []),
    ...(isOutlier ? [isOutlier[i] === 1] : []),
    ...(layerScores ? columnOf(layerScores, i) : []),
    ...(logits ? rowOf(logits, i) : []),
  ];
}

function columnOf({ data, shape }: Tensor, column: number): number[] {
  const [rows, width] = shape as [number, number];
  return Array.from({ length: rows }, (_, row) => data[row * width + column] as number);
}

function rowOf({ data, shape }: Tensor, row: number): Float32Array {
  const width = shape[1] as number;
  return data.subarray(row * width, (row + 1) * width);
}

function lineOf(fields: readonly Field[]): string {
  return `${fields.map(fieldText).join(',')}\r\n`;
}

function fieldText(field: Field): string {
  const text = String(field);
  return typeof field === 'string' && /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
