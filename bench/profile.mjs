/**
 * Where the time of a predict goes, as a process that answers requests (serve.mjs): `node profile.mjs OPTIONS THREADS`.
 *
 * From the outside, by differences of medians of calls in turns; a stage that takes less than the noise of the calls may come out
 * below zero. A detector on the model's last module has the whole forward pass and almost no backward pass.
 */
import { NACUE } from 'nacue';
import { images } from './images.mjs';
import { interleave } from './interleave.mjs';
import { serve } from './serve.mjs';
import { median } from './statistics.mjs';

const lastModules = { resnet18: 'fc', mobilenet_v3_small: 'classifier.3' };
const modeOptions = JSON.parse(process.argv[2]);
const numThreads = Number(process.argv[3]);

await serve({
  /** `{ stage, ms, share }` of a row; the first is the whole call. */
  async profile({ row: { model, layers, mBins, batch: count, side }, files, effort }) {
    const create = (tapped) => NACUE.create(files.torchscript, { layers: tapped, mBins, numThreads, ...modeOptions });
    const [whole, first, last] = [await create(layers), await create([layers[0]]), await create([lastModules[model]])];
    const batch = images(count, side);
    await whole.fit([batch]);
    const blocked = [];
    const times = await interleave(
      [
        { name: 'predict', run: () => secondsOf(() => whole.predict(batch), blocked) },
        { name: 'contributions', run: () => secondsOf(() => whole.contributions(batch)) },
        { name: 'firstLayer', run: () => secondsOf(() => first.contributions(batch)) },
        { name: 'lastModule', run: () => secondsOf(() => last.contributions(batch)) },
      ],
      effort,
    );
    for (const detector of [whole, first, last]) await detector.close();
    return stagesOf({ ...times, blocked });
  },
});

/** @param {number[]} [blocked] takes how long the call held the JavaScript thread */
async function secondsOf(call, blocked = []) {
  const began = performance.now();
  const result = call();
  blocked.push((performance.now() - began) / 1e3);
  await result;
  return (performance.now() - began) / 1e3;
}

function stagesOf(times) {
  const inMs = Object.entries(times).map(([name, seconds]) => [name, 1e3 * median(seconds)]);
  const { predict, contributions, firstLayer, lastModule, blocked } = Object.fromEntries(inMs);
  const stages = {
    'the whole call': predict,
    'JavaScript thread: checks, copy of the batch': blocked,
    'forward, to the last module': lastModule - blocked,
    'backward to the first layer, its contributions': firstLayer - lastModule,
    'contributions of the other layers': contributions - firstLayer,
    'bins, coverage, scores': predict - contributions,
  };
  return Object.entries(stages).map(([stage, ms]) => ({ stage, ms, share: ms / predict }));
}
