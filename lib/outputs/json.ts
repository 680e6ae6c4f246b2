/** Scores as NDJSON, one record a line, and as one JSON array of the same records. JSON has no NaN and no infinity: they become null. */
import type { LayerExplanation } from '../results.js';
import { layerColumns, recordText, rowColumn, type TextColumn } from './record-text.js';
import type { ScoredBatch, ScoreFormat } from './score-format.js';

export function ndjsonFormat(layers: readonly string[]): ScoreFormat {
  return { batch: (batch) => recordText(columnsOf(batch, layers), '}\n', 'null'), end: () => '' };
}

export function jsonFormat(layers: readonly string[]): ScoreFormat {
  return {
    batch: (batch, before) => {
      const text = recordText(columnsOf(batch, layers, ',\n'), '}', 'null');
      if (before === 0) text.set(Buffer.from('[')); // in place of the first comma
      return text;
    },
    end: (count) => (count === 0 ? '[]\n' : '\n]\n'),
  };
}

/** All but the brace at the end. */
function columnsOf(batch: ScoredBatch, layers: readonly string[], start = ''): TextColumn[] {
  const { indices, scores, names, labels, isOutlier, layerScores, logits, explanation } = batch;
  const columns: TextColumn[] = [
    { before: `${start}{"index":`, values: Float64Array.from(indices) },
    { before: ',"score":', values: scores },
  ];
  if (names) columns.push({ before: ',"name":', values: quoted(names) });
  if (labels) columns.push({ before: ',"label":', values: quoted(labels) });
  if (isOutlier) columns.push({ before: ',"isOutlier":', values: isOutlier });
  if (layerScores) columns.push(...layerEntries(layerColumns(layerScores), layers));
  if (logits) columns.push({ before: ',"logits":[', ...rowColumn(logits), after: ']' });
  if (explanation) columns.push({ before: ',"explanation":', values: explanationTexts(explanation, scores.length) });
  return columns;
}

function layerEntries(columns: readonly TextColumn[], layers: readonly string[]): TextColumn[] {
  return columns.map((column, l) => ({
    ...column,
    before: `,${l === 0 ? '"layers":{' : ''}${JSON.stringify(layers[l])}:`,
    after: l === columns.length - 1 ? '}' : '',
  }));
}

function quoted(texts: readonly string[]): string[] {
  return texts.map((text) => JSON.stringify(text));
}

function explanationTexts(explanation: readonly LayerExplanation[], samples: number): string[] {
  return Array.from({ length: samples }, (_, i) => JSON.stringify(explanation.map((part) => explanationOf(part, i))));
}

function explanationOf({ layer, neurons, bins, coverage, cost, shape }: LayerExplanation, sample: number) {
  const width = shape[1] as number;
  const row = (values: Int32Array | Float32Array) => Array.from(values.subarray(sample * width, (sample + 1) * width));
  return { layer, neurons: row(neurons), bins: row(bins), coverage: row(coverage), cost: row(cost) };
}
