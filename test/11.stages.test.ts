import assert from 'node:assert/strict';
import { NACUE } from 'nacue';
import {
  type AffineLayer,
  affineAlpha,
  affineContributions,
  affineLayers,
  affineShape,
  countsOf,
  coverageOf,
  drawSamples,
  type Recipe,
  scoreOf,
  sum,
} from './affine.js';
import { fixture } from './fixtures.js';

const mean = (values: number[]) => sum(values) / values.length;
const layerWeights = [2, 0.5, 1];
const evenBins = [4, 10, 40];
const anyBins = [2, 7, 40];

async function createAffine(recipe: Recipe, options: { aggregation?: 'sum' | 'mean'; layerWeights?: number[] } = {}) {
  const alpha = affineLayers.map((layer) => affineAlpha[recipe.preset][layer]);
  return NACUE.create(fixture('affine.pt'), {
    ...recipe,
    ...options,
    layers: affineLayers,
    alpha,
    inputShape: affineShape,
  });
}

for (const preset of ['pytorch-ood', 'openood'] as const) {
  describe(`stages 4 to 7 of preset ${preset} against a slow reference`, () => {
    for (const binning of ['geometric', 'uniform', 'logit', 'openood'] as const) {
      for (const mBins of binning === 'openood' ? evenBins : anyBins) {
        it(`has the same counts, coverage and scores with ${binning} bins, M = ${mBins}`, async () => {
          const recipe = { preset, binning, mBins, oStar: 3 };
          const samples = drawSamples(24, recipe);
          const [fit, score] = [samples.slice(0, 20), samples.slice(20)];
          const expected = countsOf(fit, recipe);
          for (const aggregation of ['sum', 'mean'] as const) {
            await using detector = await createAffine(recipe, { aggregation, layerWeights });
            await detector.fit(fit);
            for (const [l, layer] of affineLayers.entries()) {
              const { data, shape } = detector.counts(layer);
              assert.deepEqual(shape, [(expected[l] as number[]).length / mBins, mBins]);
              assert.deepEqual(Array.from(data, Number), expected[l], layer);
            }
            for (const x of score) {
              const coverage = coverageOf(x, expected, recipe).map(mean);
              const { scores, layerScores } = await detector.score(x);
              for (const [l, value] of coverage.entries())
                assert.ok(Math.abs((layerScores.data[l] as number) - value) < 1e-6);
              const wanted = scoreOf(coverage, layerWeights, aggregation);
              assert.ok(Math.abs((scores[0] as number) - wanted) < 1e-6, `${scores[0]} is not ${wanted}`);
            }
          }
        });
      }
    }

    it('has the same contributions', async () => {
      const recipe = { preset, binning: 'uniform', mBins: 10, oStar: 3 } as const;
      await using detector = await createAffine(recipe);
      for (const x of drawSamples(8, recipe)) {
        const expected = affineContributions(x, preset);
        for (const { layer, data, shape } of await detector.contributions(x)) {
          const values = expected[layer as AffineLayer];
          assert.deepEqual(shape, [1, values.length]);
          const scale = Math.max(...values.map(Math.abs));
          for (const [n, value] of values.entries())
            assert.ok(Math.abs((data[n] as number) - value) < 2e-6 * scale, `${layer}[${n}]: ${data[n]} for ${value}`);
        }
      }
    });
  });
}
