/** A GPU that is full, for which a process of pytorch-ood takes its memory away, and memory over many batches. */
import assert from 'node:assert/strict';
import { NACUE } from 'nacue';
import { filesOf } from '../bench/arena.mjs';
import { megabytes } from '../bench/cells.mjs';
import { images } from '../bench/images.mjs';
import { distance } from './samples.mjs';
import { modesOn, resnet50, startReference } from './workload.mjs';

/** Such a batch of ResNet-50 takes 8 GB in float32. */
const large = 128;
const left = 2e9;
const mostGrowth = 64e6;
const sizes = [16, 1, 7, 2, 11, 4, 1, 8];

export function checks(context) {
  return [
    { name: 'out of memory is an error, and the detector goes on', gpus: 1, run: () => outOfMemory(context) },
    { name: "out of memory with chunkSize 'auto': smaller parts", gpus: 1, run: () => smallerParts(context) },
    { name: "chunkSize 'auto' keeps memoryLimit", gpus: 0, run: () => keepsLimit(context) },
    ...modesOn(context).map(({ name, options }) => ({
      name: `memory of the GPU over many batches, ${name}`,
      gpus: 1,
      run: () => flatMemory(context, options),
    })),
  ];
}

async function outOfMemory(context) {
  const detector = await fitted(context, {});
  const batch = images(2, 224, 5);
  const before = await detector.predict(batch);
  const error = await inFullMemory(context, () => detector.predict(images(large)).catch((reason) => reason));
  assert.equal(error.code, 'ERR_NACUE_OUT_OF_MEMORY', `got ${error.stack ?? 'scores'}`);
  const far = distance(before, await detector.predict(batch));
  const again = await detector.predict(images(large));
  return {
    measured: `${error.message}; then scores within ${far}, and ${again.length} with the memory back`,
    asked: 'ERR_NACUE_OUT_OF_MEMORY, then the scores of before',
    isMet: far <= 1e-3,
  };
}

async function smallerParts(context) {
  const detector = await fitted(context, { chunkSize: 'auto', memoryLimit: 2 ** 40 });
  const batch = images(large);
  const scores = await inFullMemory(context, () => detector.predict(batch));
  const { chunkSize } = detector.plan;
  const whole = await fitted(context, { chunkSize: 16 });
  const far = distance(scores, await whole.predict(batch));
  return {
    measured: `${large} images in parts of ${chunkSize}, scores within ${far.toPrecision(2)} of those in parts of 16`,
    asked: `parts below ${large}, scores within 1e-3`,
    isMet: chunkSize < large && far <= 1e-3,
  };
}

async function keepsLimit(context) {
  const { side } = resnet50(context, 1);
  const count = context.cpu ? 16 : large;
  const memoryLimit = context.cpu ? 40e6 : 2e9;
  const detector = await fitted(context, { chunkSize: 'auto', memoryLimit });
  const scores = await detector.predict(images(count, side));
  const { chunkSize } = detector.plan;
  return {
    measured: `${scores.length} images, ${megabytes(memoryLimit)}: parts of ${chunkSize}`,
    asked: `parts below ${count}`,
    isMet: chunkSize < count,
  };
}

async function flatMemory(context, options) {
  const detector = await fitted(context, options);
  const reference = startReference(context);
  try {
    const batches = sizes.map((count, i) => images(count, 224, i));
    const free = [];
    for (let round = 0; round < 24; ++round) {
      for (const batch of batches) await detector.predict(batch);
      free.push((await reference.ask('free')).free);
    }
    const growth = free[7] - free.at(-1);
    return {
      measured: `${megabytes(growth)} more after 24 rounds than after 8`,
      asked: `at most ${megabytes(mostGrowth)}`,
      isMet: growth <= mostGrowth,
      values: { free },
    };
  } finally {
    await reference.end();
  }
}

async function fitted(context, extra) {
  const { model, layers, side } = resnet50(context, 1);
  const { device, keep } = context;
  const detector = await keep(NACUE.create(filesOf(model).torchscript, { layers, device, ...extra }));
  return detector.fit([images(8, side, 1)]);
}

/** Runs `work` while another process leaves little of the GPU's memory. */
async function inFullMemory(context, work) {
  const reference = startReference(context);
  try {
    await reference.ask('hold', { leave: left });
    return await work();
  } finally {
    await reference.end();
  }
}
