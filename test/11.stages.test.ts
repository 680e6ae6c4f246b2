import assert from 'node:assert/strict';
import fs from 'node:fs';
import { type Binning, NACUE } from 'nacue';
import { fixture, randomNumbers } from './fixtures.js';

/**
 * A slow, obvious copy of stages 4 to 6 in float64: gradient, contribution, bins, counts, coverage. affine.pt is a 1x1 convolution
 * (`scale`), a flatten to tokens (`tokens`), a mean over them and a linear layer (`fc`): its gradients can be written down.
 */
const weights = JSON.parse(fs.readFileSync(fixture('affine_weights.json'), 'utf8')) as Record<string, number[]>;
const [inputs, channels, pixels, classes] = [2, 3, 9, 4];
const layers = ['scale', 'tokens', 'fc'] as const;
type PerLayer = Record<(typeof layers)[number], number[]>;

const at = (name: string, index: number) => (weights[name] as number[])[index] as number;
const indices = (count: number) => Array.from({ length: count }, (_, i) => i);
const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);

/** q per layer and neuron of one sample. */
function contributions(x: Float32Array): PerLayer {
  const z = indices(channels).map((c) =>
    indices(pixels).map(
      (p) =>
        at('scale.bias', c) +
        sum(indices(inputs).map((i) => at('scale.weight', c * inputs + i) * (x[i * pixels + p] as number))),
    ),
  );
  const pooled = z.map((values) => sum(values) / pixels);
  const logits = indices(classes).map(
    (k) => at('fc.bias', k) + sum(pooled.map((value, c) => at('fc.weight', k * channels + c) * value)),
  );
  const largest = Math.max(...logits);
  const exponentials = logits.map((logit) => Math.exp(logit - largest));
  const p = exponentials.map((value) => value / sum(exponentials));
  const r = p.map((value) => value / (value + 1e-12));
  const toLogits = p.map((value, k) => (value * sum(r) - (r[k] as number)) / classes);
  const toPooled = indices(channels).map((c) => sum(toLogits.map((g, k) => g * at('fc.weight', k * channels + c))));
  const products = z.map((values, c) => values.map((value) => (value * (toPooled[c] as number)) / pixels));
  return {
    scale: products.map((values) => sum(values) / pixels),
    tokens: products.flat(),
    fc: logits.map((logit, k) => logit * (toLogits[k] as number)),
  };
}

function geometricEdges(m: number): number[] {
  const half = Math.floor(m / 2);
  const first = Math.log10(1e-6);
  const left = indices(half + 1).map((i) => 10 ** (first + (i * (Math.log10(0.5) - first)) / half));
  return [
    ...left,
    ...left
      .map((edge) => 1 - edge)
      .reverse()
      .slice(1),
  ];
}

/** The bin of zhat, or undefined where float32 rounding could decide. */
function bin(zhat: number, m: number, binning: Binning): number | undefined {
  if (binning === 'geometric') {
    const edges = geometricEdges(m);
    if (zhat <= 1e-6) return 0;
    if (zhat >= 1 - 1e-6) return edges.length - 2;
    if (edges.some((edge) => Math.abs(edge - zhat) < 1e-5 * Math.min(zhat, 1 - zhat) + 1e-7)) return undefined;
    return edges.filter((edge) => edge < zhat).length - 1;
  }
  const u = Math.min(Math.max(Math.log(zhat) - Math.log1p(-zhat), -10), 10);
  const position = (binning === 'uniform' ? zhat : (u + 10) / 20) * m;
  const isNearEdge = Math.abs(position - Math.round(position)) < 1e-5 * m && position > 0.5 && position < m - 0.5;
  return isNearEdge ? undefined : Math.min(Math.floor(position), m - 1);
}

describe('stages 4 to 6 against a slow reference', () => {
  const alpha = { scale: 300, tokens: 2000, fc: 30 };
  const oStar = 3;
  for (const binning of ['geometric', 'uniform', 'logit'] as const) {
    for (const mBins of [2, 7, 40]) {
      it(`has the same counts and coverage with ${binning} bins, M = ${mBins}`, async () => {
        const random = randomNumbers(mBins);
        const drawn = indices(150).map(() => Float32Array.from(indices(inputs * pixels), () => 4 * random() - 2));
        const binsOf = (x: Float32Array) => {
          const q = contributions(x);
          return layers.map((layer) =>
            q[layer].map((value) => bin(1 / (1 + Math.exp(-alpha[layer] * value)), mBins, binning)),
          );
        };
        const samples = drawn
          .filter((x) =>
            binsOf(x)
              .flat()
              .every((index) => index !== undefined),
          )
          .slice(0, 24);
        assert.ok(samples.length >= 12, `too few samples away from the edges: ${samples.length}`);
        const [fit, score] = [samples.slice(0, samples.length - 4), samples.slice(-4)];

        await using detector = await NACUE.create(fixture('affine.pt'), {
          layers,
          mBins,
          oStar,
          binning,
          alpha: layers.map((layer) => alpha[layer]),
          inputShape: [inputs, 3, 3],
        });
        await detector.fit(fit);
        const counts = layers.map((layer, l) => {
          const { data, shape } = detector.counts(layer);
          const expected = new Array<number>(data.length).fill(0);
          for (const x of fit)
            (binsOf(x)[l] as number[]).forEach((index, n) => {
              (expected[n * mBins + index] as number)++;
            });
          assert.deepEqual(shape, [expected.length / mBins, mBins]);
          assert.deepEqual(Array.from(data, Number), expected, layer);
          return expected;
        });
        for (const x of score) {
          const coverage = counts.map((expected, l) => {
            const phi = (binsOf(x)[l] as number[]).map((index, n) =>
              Math.min((expected[n * mBins + index] as number) / oStar, 1),
            );
            return sum(phi) / phi.length;
          });
          const [actual] = await detector.predict(x);
          assert.ok(Math.abs((actual as number) + sum(coverage)) < 1e-6);
        }
      });
    }
  }
});
