// One measurement per function; run.mjs calls each in a process of its own: `node measurements.mjs NAME FOLDER`.
import { readFileSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { NACUE, tune } from 'nacue';

const stages = ['layer1', 'layer2', 'layer3', 'layer4'];
const blocks = stages.flatMap((stage) => [`${stage}.0`, `${stage}.1`]);

function images(count, side = 224, seed = 1) {
  const data = new Float32Array(count * 3 * side * side);
  let state = seed;
  for (let i = 0; i < data.length; ++i) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = state / 2 ** 31 - 1;
  }
  return { data, shape: [count, 3, side, side] };
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
/** Processor time of all threads and wall time since `began`, in seconds. */
function elapsed(began = { cpu: 0, wall: 0 }) {
  const { user, system } = process.cpuUsage();
  return { cpu: (user + system) / 1e6 - began.cpu, wall: performance.now() / 1e3 - began.wall };
}

/** A search on 3,000 images of a size: what the pass of the model costs, and what the search after it. */
async function searchAfterPass(detector, side, maxCandidates) {
  const set = (seed) => Array.from({ length: 20 }, (_, i) => images(50, side, 100 * seed + i));
  const sets = { fit: set(1), id: set(2), ood: set(3) };
  const began = elapsed();
  let pass;
  let end;
  const { scored, detector: tuned } = await tune({
    detector,
    ...sets,
    maxCandidates,
    onProgress({ phase, done }) {
      if (phase === 'ood' && done === 1000) pass = elapsed();
      end = elapsed();
    },
  });
  await tuned.close();
  const [passCpu, searchCpu] = [pass.cpu - began.cpu, end.cpu - pass.cpu];
  return { side, scored, passCpu, searchCpu, searchWall: end.wall - pass.wall, ratio: searchCpu / passCpu };
}

const megabytes = (kilobytes) => Math.round((kilobytes * 1024) / 1e6);

function memoryStatus(name) {
  const line = readFileSync('/proc/self/status', 'utf8').match(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm'));
  return Number(line[1]);
}

const measurements = {
  /** Time of predict with 4 and with 8 tapped layers of ResNet-18, interleaved; the earliest tap is the same. */
  async layers(folder) {
    const model = path.join(folder, 'resnet18.pt');
    const eight = [...blocks.filter((block) => block.endsWith('.0')), ...stages];
    const batch = images(8);
    const detectors = [];
    for (const layers of [['layer1.0', 'layer2', 'layer3', 'layer4'], eight]) {
      detectors.push(await (await NACUE.create(model, { layers })).fit([batch]));
    }
    const times = [[], []];
    for (let round = 0; round < 12; ++round) {
      for (const [i, detector] of detectors.entries()) {
        const began = performance.now();
        await detector.predict(batch);
        if (round >= 2) times[i].push(performance.now() - began);
      }
    }
    const [four, all] = times.map(median);
    return { fourLayersMs: four, eightLayersMs: all, ratio: all / four };
  },

  /**
   * Processor time of a search of 1,000 and of up to 20,000 combinations over 4 layers of ResNet-18 (96 candidates each) and 3,000
   * images, beside the pass of the model over them. At 224 the pass is measured on 64 images and scaled: the search does not depend on
   * the size of the images.
   */
  async tune(folder) {
    const detector = await NACUE.create(path.join(folder, 'resnet18.pt'), { layers: stages });
    const runs = [];
    for (const [side, most] of [
      [32, 1000],
      [32, 20_000],
      [64, 1000],
    ])
      runs.push(await searchAfterPass(detector, side, most));
    const batch = images(16);
    await detector.contributions(batch);
    const began = elapsed();
    for (let i = 0; i < 4; ++i) await detector.contributions(batch);
    const passCpu = (elapsed(began).cpu * 3000) / 64;
    const { searchCpu } = runs[0];
    return [...runs, { side: 224, scaledFrom: 64, passCpu, searchCpu, ratio: searchCpu / passCpu }];
  },

  /** Peak resident memory of one fit batch of 16 on ResNet-50, layer1 to layer4, over what the loaded model and the batch take. */
  async memory(folder) {
    const detector = await NACUE.create(path.join(folder, 'resnet50.pt'), { layers: stages });
    const batch = images(16);
    const before = memoryStatus('VmRSS');
    writeFileSync('/proc/self/clear_refs', '5'); // resets the peak
    await detector.fit([batch]);
    return { loadedMB: megabytes(before), extraMB: megabytes(memoryStatus('VmHWM') - before) };
  },

  /** Delay of the event loop and time of fs.readFile while a long predict runs, beside the same when nothing runs. */
  async loop(folder) {
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
};

const [name, folder] = process.argv.slice(2);
console.log(JSON.stringify(await measurements[name](folder)));
