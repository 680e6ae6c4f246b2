/** The text of the records of a batch. The addon writes it: for what JavaScript takes for millions of numbers, the model waits. */
import type { NativeTextColumn } from '../addon/binding.js';
import { loadBinding } from '../addon/first-use.js';
import type { Tensor } from '../results.js';

/** What stands in every record: one value, or `width` with commas between them, and what is around it. */
export type TextColumn = Pick<NativeTextColumn, 'values'> & Partial<NativeTextColumn>;

/**
 * Numbers are written as `String` writes them, NaN and infinity by name or as null.
 * @param end what ends a record
 */
export function recordText(columns: readonly TextColumn[], end: string, nonFinite: 'name' | 'null'): Uint8Array {
  const complete = columns.map((column) => ({ before: '', width: 1, after: '', ...column }));
  return loadBinding(undefined).recordText(complete, end, nonFinite === 'null');
}

/** A column for each row of (L, B). */
export function layerColumns({ data, shape }: Tensor): TextColumn[] {
  const [layers, batchSize] = shape as [number, number];
  return Array.from({ length: layers }, (_, l) => ({ values: data.subarray(l * batchSize, (l + 1) * batchSize) }));
}

/** One column with the rows of (B, C). */
export function rowColumn({ data, shape }: Tensor): TextColumn {
  return { values: data, width: shape[1] as number };
}
