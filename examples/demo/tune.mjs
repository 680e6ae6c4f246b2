/**
 * Searches better options for the demo's detector: npm run demo:tune
 *
 * The choice is made on held-out digits against images that are none of the demo's: the training digits turned upside down and
 * noise around the mean. What it finds is then compared with the demo's own options on the demo's sets, which it has not seen.
 */
import { evaluate, NACUE, NacueError, tune } from 'nacue';
import { batchesOf, countImages, loadDemoData } from './data.mjs';
import { modelPath, presetOptions } from './detectors.mjs';
import { Progress } from './progress.mjs';

const pixels = 28 * 28;

/** Every second image, from the first or the second on. @param {Float32Array} images @param {0 | 1} from */
function everySecond(images, from) {
  const kept = [];
  for (let i = from; i < countImages(images); i += 2) kept.push(images.subarray(i * pixels, (i + 1) * pixels));
  return Float32Array.from(kept.flatMap((image) => Array.from(image)));
}

/** @param {Float32Array} images */
function upsideDown(images) {
  return images.map((_, i) => {
    const image = Math.floor(i / pixels);
    const row = Math.floor((i % pixels) / 28);
    return images[image * pixels + (27 - row) * 28 + (i % 28)];
  });
}

/** @param {Float32Array} images */
function halfNoise(images) {
  return images.map((value, i) => (value + (Math.abs(Math.sin(12.9898 * i) * 43758.5453) % 1)) / 2);
}

/** AUROC by set. @param {NACUE} detector @param {Float32Array} id @param {Record<string, Float32Array>} far */
async function aurocs(detector, id, far) {
  const batches = Object.fromEntries(Object.entries(far).map(([name, images]) => [name, batchesOf(images)]));
  const { sets } = await evaluate(detector, { id: batchesOf(id), far: batches });
  return Object.entries(sets).map(([name, { nacue }]) => [name, nacue.auroc]);
}

try {
  const { fit, heldOut, outOfDistribution } = loadDemoData();
  const [forSearch, forCheck] = [everySecond(heldOut, 0), everySecond(heldOut, 1)];
  const detector = await NACUE.create(modelPath, presetOptions['pytorch-ood']);
  await detector.fit(batchesOf(fit));

  const progress = new Progress(process.stderr);
  let phase = '';
  const tuning = await tune({
    detector,
    fit: batchesOf(fit),
    id: batchesOf(forSearch),
    ood: { 'upside down': batchesOf(upsideDown(fit)), 'half noise': batchesOf(halfNoise(fit)) },
    grid: { mBins: [20, 50, 200], alpha: [1, 10, 100, 1000, 10_000], oStar: [5, 20, 50] },
    onProgress: ({ phase: now, done, total }) => {
      if (now !== phase && phase !== '') progress.end();
      if (now !== phase) progress.start(now, total ?? done, total === undefined ? 'images' : now);
      phase = now;
      progress.update(done, total ?? done);
    },
  });
  progress.end();
  process.stdout.write(`\n${tuning}\n\nAUROC on the demo's sets, which the search has not seen:\n\n`);
  const tuned = new Map(await aurocs(tuning.detector, forCheck, outOfDistribution));
  for (const [set, own] of await aurocs(detector, forCheck, outOfDistribution))
    process.stdout.write(`${set.padEnd(14)} own ${own.toFixed(4)}   tuned ${tuned.get(set).toFixed(4)}\n`);
  await Promise.all([detector.close(), tuning.detector.close()]);
} catch (error) {
  if (!(error instanceof NacueError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
