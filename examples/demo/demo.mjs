/**
 * NAC-UE on real data: a classifier of the digits 0-5 meets digits it was never shown, photographs, negatives and noise.
 *
 * Fits on 1,000 training digits, scores everything else once, and prints how well NAC-UE, max-softmax and energy, all three
 * from that same pass, tell the strangers from held-out digits 0-5.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { NACUE, NacueError } from 'nacue';
import { batchesOf, countImages, imageShape, loadDemoData } from './data.mjs';
import { energyScore, maxSoftmaxScore, predictedClass, separation } from './metrics.mjs';
import { Progress } from './progress.mjs';
import { formatTable } from './table.mjs';

const usage = `Usage: npm run demo [-- --json]

Fits NAC-UE on 1,000 MNIST digits 0-5 and tells held-out digits 0-5 from digits 6-9, photographs, inverted digits and
noise, beside max-softmax and energy.

  --json      print the figures as JSON on stdout (with npm run -s)
  -h, --help  print this text
`;

const modelPath = fileURLToPath(new URL('model.pt', import.meta.url));

/**
 * oStar suits a fit on 1,000 images: few bins would ever hold the 50 of the default. numThreads: these images are so small
 * that a second thread mostly waits, and the figures do not depend on the machine's cores.
 */
const detectorOptions = {
  layers: ['layer1', 'layer2', 'layer3', 'avgpool'],
  alpha: 100,
  oStar: 5,
  mBins: 50,
  inputShape: imageShape,
  numThreads: 1,
};

/** @typedef {{ nacue: number[], maxSoftmax: number[], energy: number[] }} Scores */

/** @returns {{ json: boolean, help: boolean }} */
function readArguments() {
  const options = {
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  };
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    process.stderr.write(`${error.message}\n\n${usage}`);
    process.exit(2);
  }
}

/**
 * Scores every image of a set; `classes` are the classifier's own answers.
 *
 * @param {NACUE} detector
 * @param {Float32Array} images
 * @param {(images: number) => void} onImages called with the images done so far
 * @returns {Promise<{ scores: Scores, classes: number[] }>}
 */
async function scoreImages(detector, images, onImages) {
  const scores = { nacue: [], maxSoftmax: [], energy: [] };
  const classes = [];
  for (const batch of batchesOf(images)) {
    const result = await detector.score(batch);
    const [count, width] = result.logits.shape;
    scores.nacue.push(...result.scores);
    for (let row = 0; row < count; row++) {
      const logits = result.logits.data.subarray(row * width, (row + 1) * width);
      scores.maxSoftmax.push(maxSoftmaxScore(logits));
      scores.energy.push(energyScore(logits));
      classes.push(predictedClass(logits));
    }
    onImages(classes.length);
  }
  return { scores, classes };
}

/**
 * @param {Scores} id
 * @param {Scores} ood
 */
function compare(id, ood) {
  return {
    nacue: separation(id.nacue, ood.nacue),
    maxSoftmax: separation(id.maxSoftmax, ood.maxSoftmax),
    energy: separation(id.energy, ood.energy),
  };
}

/** Fits, scores and compares; returns the figures by set and the classifier's accuracy on the held-out digits. */
async function evaluate() {
  const progress = new Progress(process.stderr);
  const { fit, heldOut, heldOutLabels, outOfDistribution } = loadDemoData();
  const detector = await NACUE.create(modelPath, detectorOptions);
  try {
    progress.start('fit', countImages(fit));
    await detector.fit(batchesOf(fit), { onProgress: ({ samples }) => progress.update(samples) });
    progress.end();

    const score = async (title, images) => {
      progress.start(`score ${title}`, countImages(images));
      const result = await scoreImages(detector, images, (done) => progress.update(done));
      progress.end();
      return result;
    };
    const known = await score('held-out digits', heldOut);
    const right = known.classes.filter((answer, index) => answer === heldOutLabels[index]).length;
    const sets = {};
    for (const [name, images] of Object.entries(outOfDistribution)) {
      sets[name] = compare(known.scores, (await score(name, images)).scores);
    }
    return { sets, accuracy: right / heldOutLabels.length };
  } finally {
    await detector.close();
  }
}

/** @returns {Promise<string>} what goes to stdout */
async function main() {
  const { json, help } = readArguments();
  if (help) return usage;
  const { sets, accuracy } = await evaluate();
  if (json) return `${JSON.stringify({ sets }, null, 2)}\n`;
  const percent = (100 * accuracy).toFixed(1);
  return `\nHeld-out digits 0-5: the classifier names ${percent} % rightly. Telling them from:\n\n${formatTable(sets)}\n`;
}

try {
  process.stdout.write(await main());
} catch (error) {
  if (!(error instanceof NacueError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
