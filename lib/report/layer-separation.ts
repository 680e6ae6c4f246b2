/** What each layer does for the separation: alone, and by what is lost without it. */
import { metrics } from '../metrics.js';
import type { LayerSeparation } from './evaluation-record.js';

/** Mean coverage per layer and sample, as `score()` gives it: `coverage[l][i]`. */
export interface SetCoverage {
  set: string;
  coverage: readonly (readonly number[])[];
}

/** `divisor`: what the detector divides the weighted sum by, 1 with aggregation `'sum'`. */
export function separateByLayer(
  layers: readonly { name: string; weight: number }[],
  divisor: number,
  id: SetCoverage,
  ood: readonly SetCoverage[],
): LayerSeparation[] {
  const weights = layers.map(({ weight }) => weight);
  return layers.map(({ name, weight }, l) => {
    const idCoverage = mean(id.coverage[l] as readonly number[]);
    return {
      layer: name,
      weight,
      idCoverage,
      sets: ood.map((set) => {
        const coverage = mean(set.coverage[l] as readonly number[]);
        return {
          set: set.set,
          coverage,
          gap: (weight * (idCoverage - coverage)) / divisor,
          auroc: metrics.auroc(...bothScores(id, set, only(l))),
          aurocWithout: weights.some((other, i) => i !== l && other > 0)
            ? metrics.auroc(...bothScores(id, set, weights.with(l, 0)))
            : null,
        };
      }),
    };
  });

  function only(layer: number): number[] {
    return weights.map((_, i) => (i === layer ? 1 : 0));
  }
}

function bothScores(id: SetCoverage, ood: SetCoverage, weights: readonly number[]): [number[], number[]] {
  return [scoresOf(id, weights), scoresOf(ood, weights)];
}

/** As the detector adds layers up: minus the weighted sum of their coverages. */
function scoresOf({ coverage }: SetCoverage, weights: readonly number[]): number[] {
  const samples = (coverage[0] as readonly number[]).length;
  return Array.from({ length: samples }, (_, i) =>
    coverage.reduce((sum, layer, l) => sum - (weights[l] as number) * (layer[i] as number), 0),
  );
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
