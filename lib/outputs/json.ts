/** Scores as NDJSON, one record a line, and as one JSON array of the same records. */
import type { LayerExplanation, Tensor } from '../results.js';
import type { ScoredBatch, ScoreFormat } from './score-format.js';

export function ndjsonFormat(layers: readonly string[]): ScoreFormat {
  const records = recordsOf(layers);
  return { batch: (batch) => `${records(batch).join('\n')}\n`, end: () => '' };
}

export function jsonFormat(layers: readonly string[]): ScoreFormat {
  const records = recordsOf(layers);
  return {
    batch: (batch, before) => `${before === 0 ? '[\n' : ',\n'}${records(batch).join(',\n')}`,
    end: (count) => (count === 0 ? '[]\n' : '\n]\n'),
  };
}

/** Put together as text: a record is mostly one number, and millions of them must not hold up the model. */
function recordsOf(layers: readonly string[]): (batch: ScoredBatch) => string[] {
  const layerKeys = layers.map((name) => JSON.stringify(name));
  return (batch) => batch.indices.map((index, i) => recordOf(batch, index, i, layerKeys));
}

function recordOf(batch: ScoredBatch, index: number, i: number, layerKeys: readonly string[]): string {
  const { names, labels, isOutlier, layerScores, logits, explanation } = batch;
  let record = `{"index":${index},"score":${numberText(batch.scores[i] as number)}`;
  if (names) record += `,"name":${JSON.stringify(names[i])}`;
  if (labels) record += `,"label":${JSON.stringify(labels[i])}`;
  if (isOutlier) record += `,"isOutlier":${isOutlier[i] === 1}`;
  if (layerScores) record += `,"layers":${layerObject(layerScores, i, layerKeys)}`;
  if (logits) record += `,"logits":${rowText(logits, i)}`;
  if (explanation) record += `,"explanation":${JSON.stringify(explanation.map((part) => explanationOf(part, i)))}`;
  return `${record}}`;
}

/** JSON has no NaN and no infinity. */
function numberText(value: number): string {
  return Number.isFinite(value) ? String(value) : 'null';
}

/** Of (L, B). */
function layerObject({ data, shape }: Tensor, sample: number, layerKeys: readonly string[]): string {
  const batchSize = shape[1] as number;
  const entries = layerKeys.map((key, layer) => `${key}:${numberText(data[layer * batchSize + sample] as number)}`);
  return `{${entries.join(',')}}`;
}

/** Of (B, C). */
function rowText({ data, shape }: Tensor, sample: number): string {
  const width = shape[1] as number;
  return `[${Array.from(data.subarray(sample * width, (sample + 1) * width), numberText).join(',')}]`;
}

function explanationOf({ layer, neurons, bins, coverage, cost, shape }: LayerExplanation, sample: number) {
  const width = shape[1] as number;
  const row = (values: Int32Array | Float32Array) => Array.from(values.subarray(sample * width, (sample + 1) * width));
  return { layer, neurons: row(neurons), bins: row(bins), coverage: row(coverage), cost: row(cost) };
}
