/** A search's result for a terminal. */
import type { TunedCandidate, Tuning } from './tune.js';

const shown = 10;

/** The best combinations and the detector's own options, one line each, and what the check on held-back samples says. */
export function formatTuning(
  tuning: Pick<Tuning, 'metric' | 'ranking' | 'own' | 'best' | 'overfitted' | 'scored' | 'exhaustive'>,
): string {
  const { metric, ranking, own, best, overfitted, scored, exhaustive } = tuning;
  const rows = [
    ['', metric, 'held back', 'bins', 'layer: M / alpha / O*'],
    ...ranking.slice(0, shown).map((candidate, i) => row(`${i + 1}`, candidate)),
    row('own', own),
  ];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((cells) => (cells[column] as string).length))) ?? [];
  const lines = rows.map((cells) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i] as number))
      .join('  ')
      .trimEnd(),
  );
  const how = exhaustive ? 'all combinations' : 'the best candidates of each layer, then layer by layer';
  const verdict = overfitted
    ? "The first is worse than the detector's own options on the samples held back: it is over-fitted, own options are kept."
    : `Chosen: ${best.value === own.value ? "the detector's own options" : 'the first'}.`;
  return [`${scored} combinations scored (${how})`, ...lines, verdict].join('\n');
}

function row(title: string, { options, value, heldBack }: TunedCandidate): string[] {
  const { layers, mBins, alpha, oStar, binning } = options;
  const at = (values: number | readonly number[], i: number) => (typeof values === 'number' ? values : values[i]);
  const parts = layers.map((layer, i) => `${layer}: ${at(mBins, i)} / ${at(alpha, i)} / ${at(oStar, i)}`);
  return [title, value.toFixed(4), heldBack === null ? '-' : heldBack.toFixed(4), binning, parts.join(', ')];
}
