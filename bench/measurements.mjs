/** What needs no comparison with pytorch-ood: a process that answers one request, named as the measurement (serve.mjs). */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { evaluate, NACUE, tune } from 'nacue';
import { batchesOf, loadDemoData } from '../examples/demo/data.mjs';
import { modelPath, presetOptions } from '../examples/demo/detectors.mjs';
import { images } from './images.mjs';
import { serve } from './serve.mjs';

/** Side of the images, most combinations. */
const searches = [
  [32, 1000],
  [32, 20_000],
  [64, 1000],
];
const stages = ['layer1', 'layer2', 'layer3', 'layer4'];

/** Processor time of all threads and wall time since `began`, in seconds. */
function elapsed(began = { cpu: 0, wall: 0 }) {
  const { user, system } = process.cpuUsage();
  return { cpu: (user + system) / 1e6 - began.cpu, wall: performance.now() / 1e3 - began.wall };
}

await serve({
  /** AUROC of the demo's detector for each of its sets; `options` are those of a mode. */
  async demo({ options }) {
    const { fit, heldOut, outOfDistribution } = loadDemoData();
    const detector = await NACUE.create(modelPath, { ...presetOptions['pytorch-ood'], ...options });
    await detector.fit(batchesOf(fit));
    const far = Object.fromEntries(Object.entries(outOfDistribution).map(([set, all]) => [set, batchesOf(all)]));
    const { sets } = await evaluate(detector, { id: batchesOf(heldOut), far });
    return Object.fromEntries(Object.entries(sets).map(([set, { nacue }]) => [set, nacue.auroc]));
  },

  /**
   * Processor time of a search of 1,000 and of up to 20,000 combinations over 4 layers of ResNet-18 (96 candidates each) and 3,000
   * images, 300 when quick, beside the pass of the model over them. At 224 the pass is measured on 64 images and scaled: the search does
   * not depend on the size of the images.
   */
  async tune({ folder, isQuick }) {
    const detector = await NACUE.create(path.join(folder, 'resnet18.pt'), { layers: stages });
    const count = isQuick ? 100 : 1000;
    const runs = [];
    for (const [side, most] of isQuick ? [[32, 1000]] : searches)
      runs.push(await searchAfterPass(detector, side, count, most));
    const batch = images(16);
    await detector.contributions(batch);
    const began = elapsed();
    for (let i = 0; i < 4; ++i) await detector.contributions(batch);
    const passCpu = (elapsed(began).cpu * 3 * count) / 64;
    const { searchCpu } = runs[0];
    return [...runs, { side: 224, scaledFrom: 64, passCpu, searchCpu, ratio: searchCpu / passCpu }];
  },

  /** Delay of the event loop and time of fs.readFile while a long predict runs, beside the same when nothing runs. */
  async loop({ folder }) {
    const detector = await (await NACUE.create(path.join(folder, 'resnet50.pt'), { layers: stages })).fit([images(1)]);
    const batch = images(16);
    const observe = async (isDone) => {
      const delay = monitorEventLoopDelay({ resolution: 5 });
      const reads = [];
      delay.enable();
      while (!isDone()) {
        const began = performance.now();
        await readFile(fileURLToPath(import.meta.url));
        reads.push(performance.now() - began);
        await sleep(5);
      }
      delay.disable();
      return { delayP99Ms: delay.percentile(99) / 1e6, delayMaxMs: delay.max / 1e6, readFileMaxMs: Math.max(...reads) };
    };
    const end = performance.now() + 3000;
    const idle = await observe(() => performance.now() > end);
    let running = 4;
    for (let call = 0; call < 4; ++call) detector.predict(batch).then(() => --running);
    return { idle, predicting: await observe(() => running === 0) };
  },
});

/** A search on three sets of `count` images of a size: what the pass of the model costs, and what the search after it. */
async function searchAfterPass(detector, side, count, maxCandidates) {
  const set = (seed) => Array.from({ length: count / 50 }, (_, i) => images(50, side, 100 * seed + i));
  const sets = { fit: set(1), id: set(2), ood: set(3) };
  const began = elapsed();
  let pass;
  let end;
  const { scored, detector: tuned } = await tune({
    detector,
    ...sets,
    maxCandidates,
    onProgress({ phase, done }) {
      if (phase === 'ood' && done === count) pass = elapsed();
      end = elapsed();
    },
  });
  await tuned.close();
  const [passCpu, searchCpu] = [pass.cpu - began.cpu, end.cpu - pass.cpu];
  return { side, scored, passCpu, searchCpu, searchWall: end.wall - pass.wall, ratio: searchCpu / passCpu };
}
