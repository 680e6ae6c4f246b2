/** The classifier of the demo and how its detectors are set up. */
import { fileURLToPath } from 'node:url';
import { imageShape } from './data.mjs';

export const modelPath = fileURLToPath(new URL('model.pt', import.meta.url));

/**
 * oStar suits a fit on 1,000 images: few bins would ever hold the 50 of the default. numThreads: these images are so small
 * that a second thread mostly waits, and the figures do not depend on the machine's cores.
 */
const shared = {
  layers: ['layer1', 'layer2', 'layer3', 'avgpool'],
  oStar: 5,
  mBins: 50,
  inputShape: imageShape,
  numThreads: 1,
};

/**
 * By preset. alpha is smaller for the authors' formula, which takes sums over a map where pytorch-ood takes means.
 *
 * @type {Record<import('nacue').Preset, import('nacue').NACUEOptions>}
 */
export const presetOptions = {
  'pytorch-ood': { ...shared, alpha: 100 },
  openood: { ...shared, preset: 'openood', alpha: 1 },
};
