/** Neurons x bins of a layer as a picture of limited size. */
import type { Counts } from '../results.js';
import type { CoverageMap } from './evaluation-record.js';

const mostRows = 32;
const mostColumns = 50;
/** Of all layers together: a browser draws each as an element. */
const mostCells = 12_800;

/** How many rows each of so many maps may have. */
export function rowsPerMap(maps: number): number {
  return Math.max(Math.min(mostRows, Math.floor(mostCells / (maps * mostColumns))), 4);
}

export function mapCoverage(
  layer: string,
  { data, shape: [neurons, bins] }: Counts,
  oStar: number,
  rowLimit: number,
): CoverageMap {
  const rows = Array.from({ length: neurons }, (_, n) => {
    const counts = Array.from(data.subarray(n * bins, (n + 1) * bins), Number);
    return { phi: counts.map((count) => Math.min(count / oStar, 1)), meanBin: meanBinOf(counts) };
  });
  rows.sort((a, b) => a.meanBin - b.meanBin);
  const total = rows.reduce((sum, { phi }) => sum + phi.reduce((part, value) => part + value, 0), 0);
  return {
    layer,
    neurons,
    bins,
    coverage: total / (neurons * bins),
    rows: averageBlocks(
      rows.map(({ phi }) =>
        averageBlocks(
          phi.map((value) => [value]),
          mostColumns,
        ).map(([value]) => value as number),
      ),
      rowLimit,
    ).map((row) => row.map((value) => Math.round(value * 1000) / 1000)),
  };
}

function meanBinOf(counts: readonly number[]): number {
  const samples = counts.reduce((sum, count) => sum + count, 0);
  return samples === 0 ? 0 : counts.reduce((sum, count, bin) => sum + bin * count, 0) / samples;
}

/** At most `limit` rows, each the mean of neighbours. */
function averageBlocks(rows: readonly (readonly number[])[], limit: number): number[][] {
  const blocks = Math.min(rows.length, limit);
  return Array.from({ length: blocks }, (_, block) => {
    const begin = Math.floor((block * rows.length) / blocks);
    const members = rows.slice(begin, Math.floor(((block + 1) * rows.length) / blocks));
    return (members[0] as readonly number[]).map(
      (_, column) => members.reduce((sum, row) => sum + (row[column] as number), 0) / members.length,
    );
  });
}
