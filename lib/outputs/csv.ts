/** Scores as CSV (RFC 4180): a line of names, CRLF, fields in quotes where they hold a comma, a quote or the end of a line. */
import { layerColumns, recordText, rowColumn, type TextColumn } from './record-text.js';
import type { ScoredBatch, ScoreFormat } from './score-format.js';

const lineEnd = '\r\n';

export function csvFormat(layers: readonly string[]): ScoreFormat {
  return {
    batch: (batch, before) => {
      const lines = recordText(columnsOf(batch), lineEnd, 'name');
      return before === 0 ? Buffer.concat([Buffer.from(headOf(batch, layers)), lines]) : lines;
    },
    end: (records) => (records === 0 ? `index,score${lineEnd}` : ''),
  };
}

function headOf({ names, labels, isOutlier, layerScores, logits }: ScoredBatch, layers: readonly string[]): string {
  const classes = logits?.shape[1] ?? 0;
  const columns = [
    'index',
    'score',
    ...(names ? ['name'] : []),
    ...(labels ? ['label'] : []),
    ...(isOutlier ? ['isOutlier'] : []),
    ...(layerScores ? layers.map((name) => `layer ${name}`) : []),
    ...Array.from({ length: classes }, (_, i) => `logit ${i}`),
  ];
  return `${columns.map(fieldText).join(',')}${lineEnd}`;
}

function columnsOf({ indices, scores, names, labels, isOutlier, layerScores, logits }: ScoredBatch): TextColumn[] {
  const columns = [
    { values: Float64Array.from(indices) },
    { values: scores },
    ...(names ? [{ values: names.map(fieldText) }] : []),
    ...(labels ? [{ values: labels.map(fieldText) }] : []),
    ...(isOutlier ? [{ values: isOutlier }] : []),
    ...(layerScores ? layerColumns(layerScores) : []),
    ...(logits ? [rowColumn(logits)] : []),
  ];
  return columns.map((column, i) => (i === 0 ? column : { ...column, before: ',' }));
}

function fieldText(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
