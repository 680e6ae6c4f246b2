// One measurement per function; run.mjs calls each in a process of its own: `node measurements.mjs NAME FOLDER`.
import { readFileSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { NACUE } from 'nacue';

const image = [3, 224, 224];
const stages = ['layer1', 'layer2', 'layer3', 'layer4'];
const blocks = stages.flatMap((stage) => [`${stage}.0`, `${stage}.1`]);

function images(count) {
  const data = new Float32Array(count * 3 * 224 * 224);
  let state = 1;
  for (let i = 0; i < data.length; ++i) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = state / 2 ** 31 - 1;
  }
  return { data, shape: [count, ...image] };
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
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
