/** Scores as NDJSON, one record a line, and as one JSON array of the same records. */
import type { LayerExplanation, Tensor } from '../results.js';
import type { ScoredBatch, ScoreFormat } from './score-format.js';

export function ndjsonFormat(layers: readonly string[]): ScoreFormat {
  const records = recordsOf(layers);
  return { batch: (batch) => records(batch, (record) => `${record}\n`), end: () => '' };
}

export function jsonFormat(layers: readonly string[]): ScoreFormat {
  const records = recordsOf(layers);
  return {
    batch: (batch, before) => records(batch, (record, i) => `${before + i === 0 ? '[\n' : ',\n'}${record}`),
    end: (count) => (count === 0 ? '[]\n' : '\n]\n'),
  };
}

/** Put together as text: a record is mostly one number, and millions of them must not hold up the model. */
function recordsOf(
  layers: readonly string[],
): (batch: ScoredBatch, set: (record: string, i: number) => string) => string {
  const layerKeys = layers.map((name) => JSON.stringify(name));
  return (batch, set) => {
    const scores = numberTexts(batch.scores);
    let text = '';
    for (let i = 0; i < batch.indices.length; i += 1)
      text += set(recordOf(batch, i, scores[i] as string, layerKeys), i);
    return text;
  };
}

function recordOf(batch: ScoredBatch, i: number, score: string, layerKeys: readonly string[]): string {
  const { indices, names, labels, isOutlier, layerScores, logits, explanation } = batch;
  let record = `{"index":${indices[i]},"score":${score}`;
  if (names) record += `,"name":${JSON.stringify(names[i])}`;
  if (labels) record += `,"label":${JSON.stringify(labels[i])}`;
  if (isOutlier) record += `,"isOutlier":${isOutlier[i] === 1}`;
  if (layerScores) record += `,"layers":${layerObject(layerScores, i, layerKeys)}`;
  if (logits) record += `,"logits":${rowText(logits, i)}`;
  if (explanation) record += `,"explanation":${JSON.stringify(explanation.map((part) => explanationOf(part, i)))}`;
  return `${record}}`;
}

/** At once, which takes half the time of one by one. JSON has no NaN and no infinity: they become null. */
function numberTexts(values: Float32Array): string[] {
  return JSON.stringify(Array.from(values)).slice(1, -1).split(',');
}

/** Of (L, B). */
function layerObject({ data, shape }: Tensor, sample: number, layerKeys: readonly string[]): string {
  const batchSize = shape[1] as number;
  const entries = layerKeys.map((key, layer) => `${key}:${JSON.stringify(data[layer * batchSize + sample])}`);
  return `{${entries.join(',')}}`;
}

/** Of (B, C). */
function rowText({ data, shape }: Tensor, sample: number): string {
  const width = shape[1] as number;
  return JSON.stringify(Array.from(data.subarray(sample * width, (sample + 1) * width)));
}

function explanationOf({ layer, neurons, bins, coverage, cost, shape }: LayerExplanation, sample: number) {
  const width = shape[1] as number;
  const row = (values: Int32Array | Float32Array) => Array.from(values.subarray(sample * width, (sample + 1) * width));
  return { layer, neurons: row(neurons), bins: row(bins), coverage: row(coverage), cost: row(cost) };
}
