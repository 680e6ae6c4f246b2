/**
 * NAC-UE on real data: a classifier of the digits 0-5 meets digits it was never shown, photographs, negatives and noise.
 *
 * Per preset: fits on 1,000 training digits, scores everything else once, and prints how well NAC-UE tells the strangers from
 * held-out digits 0-5, beside max-softmax and energy from that same pass.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { NACUE, NacueError, recordEvaluation, renderReport } from 'nacue';
import { batchesOf, countImages, loadDemoData } from './data.mjs';
import { modelPath, presetOptions } from './detectors.mjs';
import { Progress } from './progress.mjs';
import { formatTable } from './table.mjs';

const reportFile = fileURLToPath(new URL('../../build/demo-report.html', import.meta.url));

const usage = `Usage: npm run demo [-- --json] [-- --report FILE]

Fits NAC-UE on 1,000 MNIST digits 0-5 and tells held-out digits 0-5 from digits 6-9, photographs, inverted digits and
noise: as pytorch-ood computes it, as the paper's authors do (preset openood), beside max-softmax and energy.

  --json         print the figures as JSON on stdout (with npm run -s)
  --report FILE  where the page with plots, tables and pictures goes (default: build/demo-report.html)
  -h, --help     print this text
`;

/** @returns {{ json: boolean, report: string, help: boolean }} */
function readArguments() {
  const options = {
    json: { type: 'boolean', default: false },
    report: { type: 'string', default: reportFile },
    help: { type: 'boolean', short: 'h', default: false },
  };
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    process.stderr.write(`${error.message}\n\n${usage}`);
    process.exit(2);
  }
}

/** Compares with both presets; returns the figures by set, the classifier's accuracy on the held-out digits, and what a report shows. */
async function run() {
  const data = loadDemoData();
  const { record, accuracy } = await compare(data, 'pytorch-ood');
  const official = await compare(data, 'openood');
  const sets = mapValues(record.evaluation.sets, ({ nacue, maxSoftmax, energy }, set) =>
    mapValues(
      { nacue, nacueOpenood: official.record.evaluation.sets[set].nacue, maxSoftmax, energy },
      ({ auroc, fpr95 }) => ({
        auroc,
        fpr95,
      }),
    ),
  );
  return { sets, accuracy, record };
}

/**
 * Fits, scores and compares.
 *
 * @param {import('./data.mjs').DemoData} data
 * @param {import('nacue').Preset} preset
 */
async function compare({ fit, heldOut, heldOutLabels, outOfDistribution }, preset) {
  const progress = new Progress(process.stderr);
  const detector = await NACUE.create(modelPath, presetOptions[preset]);
  try {
    progress.start(`${preset}: fit`, countImages(fit));
    await detector.fit(batchesOf(fit), { onProgress: ({ samples }) => progress.update(samples) });
    progress.end();

    const { 'digits6-9': digits, ...far } = mapValues(outOfDistribution, batchesOf);
    const classes = [];
    const record = await recordEvaluation(
      detector,
      { id: batchesOf(heldOut), near: { 'digits6-9': digits }, far },
      {
        onProgress: progressBySet(progress, { id: heldOut, ...outOfDistribution }),
        onScore: (set, { logits }) => set === 'id' && classes.push(...predictedClasses(logits)),
        about: { model: 'the demo: a small residual CNN that knows the MNIST digits 0-5' },
      },
    );
    const right = classes.filter((answer, index) => answer === heldOutLabels[index]).length;
    return { record, accuracy: right / heldOutLabels.length };
  } finally {
    await detector.close();
  }
}

/**
 * Shows the sets of an evaluation one after the other.
 *
 * @param {Progress} progress
 * @param {Record<string, Float32Array>} images by set, in the order of the evaluation
 */
function progressBySet(progress, images) {
  const names = Object.keys(images);
  const total = (name) => countImages(images[name]);
  const start = (name) => progress.start(`score ${name === 'id' ? 'held-out digits' : name}`, total(name));
  start(names[0]);
  return ({ set, samples }) => {
    progress.update(samples);
    if (samples < total(set)) return;
    progress.end();
    const next = names[names.indexOf(set) + 1];
    if (next !== undefined) start(next);
  };
}

/** @param {import('nacue').Tensor} logits */
function predictedClasses({ data, shape: [count, width] }) {
  return Array.from({ length: count }, (_, row) => {
    const logits = data.subarray(row * width, (row + 1) * width);
    return logits.indexOf(Math.max(...logits));
  });
}

/**
 * @template T, U
 * @param {Record<string, T>} values
 * @param {(value: T, name: string) => U} change
 * @returns {Record<string, U>}
 */
function mapValues(values, change) {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, change(value, name)]));
}

/** @returns {Promise<string>} what goes to stdout */
async function main() {
  const { json, report, help } = readArguments();
  if (help) return usage;
  const { sets, accuracy, record } = await run();
  mkdirSync(path.dirname(report), { recursive: true });
  writeFileSync(report, await renderReport(record));
  process.stderr.write(`The report is in ${report}\n`);
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
