/** How scores are written: ndjson, csv, json and npy, each as bytes of one batch after the other. */
import type { LayerExplanation, Tensor } from '../results.js';
import { csvFormat } from './csv.js';
import type { FormatName } from './format-names.js';
import { jsonFormat, ndjsonFormat } from './json.js';
import { npyFormat } from './npy.js';

/** What is known of the samples of one batch; `next` is where a pass that goes on after them begins. */
export interface ScoredBatch {
  indices: readonly number[];
  scores: Float32Array;
  /** The files and class folders, where samples have such. */
  names?: readonly string[];
  labels?: readonly string[];
  /** There when the detector is calibrated. */
  isOutlier?: Uint8Array;
  /** (L, B) and (B, C), where they are asked for. */
  layerScores?: Tensor;
  logits?: Tensor;
  explanation?: readonly LayerExplanation[];
  next: number;
}

export interface ScoreFormat {
  /** One batch with at least one record; `before` records come before it. What begins the file stands before the first one. */
  batch(batch: ScoredBatch, before: number): string | Uint8Array;
  /** What ends a file of so many records, all of it where there is none. */
  end(records: number): string | Uint8Array;
  /** What the first bytes of the file become when the number of records is known. */
  start?(records: number): Uint8Array;
}

/** @param layers the names of the layers, in the order of `layerScores` */
export function scoreFormat(name: FormatName, layers: readonly string[]): ScoreFormat {
  const formats = { ndjson: ndjsonFormat, csv: csvFormat, json: jsonFormat, npy: npyFormat };
  return formats[name](layers);
}
