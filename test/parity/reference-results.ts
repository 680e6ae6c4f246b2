/** Reads what reference/run.py wrote to build/parity. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { NACUEOptions, ShapedBatch } from 'nacue';

/** Where the results of the reference lie. */
export const resultsFolder = path.join(__dirname, '..', '..', 'build', 'parity');

export interface StoredArray {
  file: string;
  shape: number[];
}

export interface ReferenceCase {
  exports: ('script' | 'trace')[];
  layers: string[];
  inputShape: number[];
  mBins: number | number[];
  alpha: number | number[];
  oStar: number | number[];
  binning: NonNullable<NACUEOptions['binning']>;
  output: number | string | null;
  numThreads: number;
  fit: StoredArray[];
  score: { batch: StoredArray; scores: StoredArray; logits: StoredArray }[];
  counts: Record<string, StoredArray>;
}

/** Folder of each case that the reference ran, by the name of the case. */
export function caseFolders(): Map<string, string> {
  const index = JSON.parse(readFileSync(path.join(resultsFolder, 'index.json'), 'utf8')) as {
    cases: Record<string, string>;
  };
  return new Map(Object.entries(index.cases).map(([name, folder]) => [name, path.join(resultsFolder, folder)]));
}

export function readCase(folder: string): ReferenceCase {
  return JSON.parse(readFileSync(path.join(folder, 'case.json'), 'utf8')) as ReferenceCase;
}

export function readFloats(folder: string, { file, shape }: StoredArray): Required<ShapedBatch> {
  return { data: new Float32Array(readBytes(path.join(folder, file))), shape };
}

export function readCounts(folder: string, { file, shape }: StoredArray): { data: BigInt64Array; shape: number[] } {
  return { data: new BigInt64Array(readBytes(path.join(folder, file))), shape };
}

function readBytes(file: string): ArrayBuffer {
  const bytes = readFileSync(file);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
}
