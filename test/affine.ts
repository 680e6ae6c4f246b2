/**
 * A slow, obvious copy of stages 4 to 7 in float64, for both recipes: gradient, contribution, bins, counts, coverage, score. affine.pt
 * is a 1x1 convolution (`scale`), a flatten to (B, 3, 9) (`tokens`), a mean over the 9 and a linear layer (`fc`): its gradients can be
 * written down.
 */
import fs from 'node:fs';
import type { Aggregation, Binning, Preset } from 'nacue';
import { fixture, randomNumbers } from './fixtures.js';

const weights = JSON.parse(fs.readFileSync(fixture('affine_weights.json'), 'utf8')) as Record<string, number[]>;
const [inputs, channels, pixels, classes] = [2, 3, 9, 4];

export const affineLayers = ['scale', 'tokens', 'fc'] as const;
export const affineShape = [inputs, 3, 3];

/** Steepnesses that spread the contributions of this model over the bins. */
export const affineAlpha = {
  'pytorch-ood': { scale: 300, tokens: 2000, fc: 30 },
  openood: { scale: 4, tokens: 30, fc: 30 },
} as const;

/** What a score of the model depends on. */
export interface Recipe {
  preset: Preset;
  binning: Binning;
  mBins: number;
  oStar: number;
}

export type AffineLayer = (typeof affineLayers)[number];

const at = (name: string, index: number) => (weights[name] as number[])[index] as number;
export const indices = (count: number) => Array.from({ length: count }, (_, i) => i);
export const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** d loss / d logits. */
function gradientOfLoss(logits: number[], preset: Preset): number[] {
  const largest = Math.max(...logits);
  const exponentials = logits.map((logit) => Math.exp(logit - largest));
  const p = exponentials.map((value) => value / sum(exponentials));
  if (preset === 'openood') return p.map((value) => value - 1 / classes);
  const r = p.map((value) => value / (value + 1e-12));
  return p.map((value, k) => (value * sum(r) - (r[k] as number)) / classes);
}

/** The output of a layer and d loss / d output for one sample, row-major; the shape is without the batch. */
export interface Activation {
  z: number[];
  gradient: number[];
  shape: number[];
}

/** Stages 3 and 4 of one sample. */
export function affineActivations(x: Float32Array, preset: Preset): Record<AffineLayer, Activation> {
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
  const toLogits = gradientOfLoss(logits, preset);
  const toPooled = indices(channels).map((c) => sum(toLogits.map((g, k) => g * at('fc.weight', k * channels + c))));
  const toPixels = toPooled.flatMap((g) => indices(pixels).map(() => g / pixels));
  return {
    scale: { z: z.flat(), gradient: toPixels, shape: [channels, 3, 3] },
    tokens: { z: z.flat(), gradient: toPixels, shape: [channels, pixels] },
    fc: { z: logits, gradient: toLogits, shape: [classes] },
  };
}

/** q per layer and neuron of one sample, with each preset's own reduce. */
export function affineContributions(x: Float32Array, preset: Preset): Record<AffineLayer, number[]> {
  const { scale, tokens, fc } = affineActivations(x, preset);
  const product = ({ z, gradient }: Activation) => z.map((value, i) => value * (gradient[i] as number));
  const rows = (values: number[]) => indices(channels).map((c) => values.slice(c * pixels, (c + 1) * pixels));
  const rowSums = (values: number[]) => rows(values).map(sum);
  const columnSums = (values: number[]) => indices(pixels).map((p) => sum(rows(values).map((row) => row[p] as number)));
  const productOf = ({ z, gradient }: Activation, pool: (values: number[]) => number[]) =>
    product({ z: pool(z), gradient: pool(gradient), shape: [] });
  if (preset === 'openood')
    return { scale: productOf(scale, rowSums), tokens: productOf(tokens, columnSums), fc: product(fc) };
  return { scale: rowSums(product(scale)).map((value) => value / pixels), tokens: product(tokens), fc: product(fc) };
}

function geometricEdges(m: number): number[] {
  const half = Math.floor(m / 2);
  const first = Math.log10(1e-6);
  const left = indices(half + 1).map((i) => 10 ** (first + (i * (Math.log10(0.5) - first)) / half));
  const right = left.map((edge) => 1 - edge).reverse();
  return [...left, ...right.slice(1)];
}

function openOodEdges(m: number): number[] {
  const half = m / 2;
  const a = indices(half).map((i) => Math.log(1 + ((Math.sqrt(1000) - 1) * i) / (half - 1)) / Math.log(1000));
  const right = a.map((edge) => 1 - edge).reverse();
  return [...a.slice(0, -1), ...right.slice(0, -1), 1.01, 1.2];
}

/** The bin of zhat, or undefined where float32 rounding could decide. */
function bin(zhat: number, m: number, binning: Binning): number | undefined {
  const isNear = (edge: number) => Math.abs(edge - zhat) < 1e-5 * Math.min(zhat, 1 - zhat) + 1e-7;
  if (binning === 'geometric') {
    const edges = geometricEdges(m);
    if (zhat <= 1e-6) return 0;
    if (zhat >= 1 - 1e-6) return edges.length - 2;
    return edges.some(isNear) ? undefined : edges.filter((edge) => edge < zhat).length - 1;
  }
  if (binning === 'openood') {
    const edges = openOodEdges(m);
    return edges.slice(1).some(isNear) ? undefined : edges.filter((edge) => edge <= zhat).length - 1;
  }
  const u = Math.min(Math.max(Math.log(zhat) - Math.log1p(-zhat), -10), 10);
  const position = (binning === 'uniform' ? zhat : (u + 10) / 20) * m;
  const isNearEdge = Math.abs(position - Math.round(position)) < 1e-5 * m && position > 0.5 && position < m - 0.5;
  return isNearEdge ? undefined : Math.min(Math.floor(position), m - 1);
}

function possibleBins(x: Float32Array, { preset, binning, mBins }: Recipe): (number | undefined)[][] {
  const q = affineContributions(x, preset);
  return affineLayers.map((layer) =>
    q[layer].map((value) => bin(1 / (1 + Math.exp(-affineAlpha[preset][layer] * value)), mBins, binning)),
  );
}

/** Per layer and neuron the bin of one sample, which is one of {@link drawSamples}. */
export const binsOf = (x: Float32Array, recipe: Recipe) => possibleBins(x, recipe) as number[][];

/** Random samples, none of which has a neuron so near to an edge that rounding could move it. */
export function drawSamples(count: number, recipe: Recipe): Float32Array[] {
  const random = randomNumbers(recipe.mBins);
  const samples: Float32Array[] = [];
  while (samples.length < count) {
    const x = Float32Array.from(indices(inputs * pixels), () => 4 * random() - 2);
    if (!possibleBins(x, recipe).flat().includes(undefined)) samples.push(x);
  }
  return samples;
}

/** Per layer the counts (N, M), row-major. */
export function countsOf(fit: readonly Float32Array[], recipe: Recipe): number[][] {
  const bins = fit.map((x) => binsOf(x, recipe));
  return affineLayers.map((_, l) => {
    const neurons = bins[0]?.[l]?.length ?? 0;
    const counts = new Array<number>(neurons * recipe.mBins).fill(0);
    for (const sample of bins)
      for (const [n, index] of (sample[l] as number[]).entries()) (counts[n * recipe.mBins + index] as number)++;
    return counts;
  });
}

/** Per layer and neuron how much the counts cover of one sample. */
export function coverageOf(x: Float32Array, counts: readonly number[][], { oStar, ...recipe }: Recipe): number[][] {
  return binsOf(x, { oStar, ...recipe }).map((layer, l) =>
    layer.map((index, n) => Math.min((counts[l]?.[n * recipe.mBins + index] as number) / oStar, 1)),
  );
}

/** The score that coverages per layer add up to. */
export function scoreOf(layers: readonly number[], layerWeights: readonly number[], aggregation: Aggregation): number {
  const total = sum(layers.map((coverage, l) => coverage * (layerWeights[l] as number)));
  return aggregation === 'sum' ? -total : -total / sum(layerWeights);
}
