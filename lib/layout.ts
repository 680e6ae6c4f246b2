/**
 * Where the features of a layer's output stand, as far as its shape tells.
 *
 * A convolutional net keeps the picture's proportions: an output (B, C, H, W) has them in its last two dimensions, Swin's
 * (B, H, W, C) in the first two. pytorch-ood averages dimensions 2 and 3 of both: of the latter, the width and the features.
 */
import type { FeatureReduce } from './options.js';

/** `'features'` (B, N), `'channels-first'` (B, C, H, W), `'channels-last'` (B, H, W, C), `'tokens'` (B, T, C). */
export type Layout = 'features' | 'channels-first' | 'channels-last' | 'tokens';

/**
 * The layout of an output, both shapes without the batch; null where the shape does not tell, as for a square of as many
 * features as pixels.
 */
export function layoutOf(output: readonly number[], input: readonly number[]): Layout | null {
  if (output.length === 1) return 'features';
  if (input.length !== 3) return null;
  if (output.length === 2) return 'tokens';
  if (output.length !== 3) return null;
  const [, height, width] = input as [number, number, number];
  const [first, second, third] = output as [number, number, number];
  const isFirst = keepsProportions(second, third, height, width);
  const isLast = keepsProportions(first, second, height, width);
  if (isFirst === isLast) return null;
  return isFirst ? 'channels-first' : 'channels-last';
}

/** The reduce that suits a layout, where one does. */
export function suggestedReduce(layout: Layout | null): FeatureReduce | null {
  const suggestions = {
    features: 'auto',
    'channels-first': 'auto',
    'channels-last': 'channels-last',
    tokens: 'mean-tokens',
  } as const;
  return layout && suggestions[layout];
}

const wrongForChannelsLast = new Set<FeatureReduce>(['auto', 'mean', 'sum', 'max-abs']);

/** Tells with a process warning which layers have their features last and a reduce that takes dimension 1 for them. */
export function warnOfChannelsLast(
  layers: readonly { name: string; outputShape: number[] | undefined; featureReduce: FeatureReduce }[],
  input: readonly number[],
): void {
  for (const { name, outputShape, featureReduce } of layers) {
    if (!outputShape || !wrongForChannelsLast.has(featureReduce)) continue;
    if (layoutOf(outputShape, input) !== 'channels-last') continue;
    process.emitWarning(
      `the output of layer '${name}' looks like (B, ${outputShape.join(', ')}) = (B, H, W, C), and featureReduce '${featureReduce}' ` +
        `takes its rows for the neurons: use 'channels-last'`,
      { type: 'NacueWarning', code: 'NACUE_CHANNELS_LAST' },
    );
  }
}

// Strides and patches round: a side may be one off. What is larger than the picture is none: attention weights are (heads, T, T).
function keepsProportions(rows: number, columns: number, height: number, width: number): boolean {
  return Math.abs(rows * width - columns * height) < Math.max(height, width) && rows <= height;
}
