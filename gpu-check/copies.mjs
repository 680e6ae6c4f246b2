/**
 * Copies from the GPU to the host: none inside of the loop over batches or parts. Counted by cuda_calls.c, which stands between LibTorch and
 * libcudart; a call has to bring its results down once, so what is asked is that more batches, parts or layers bring no more copies.
 */
import { readFileSync } from 'node:fs';
import { NACUE } from 'nacue';
import { filesOf } from '../bench/arena.mjs';
import { images } from '../bench/images.mjs';
import { modesOn, resnet50 } from './workload.mjs';

/** In the order of `enum Counter` in cuda_calls.c. */
const counters = ['toDevice', 'toHost', 'toHostCaptured', 'withinDevice', 'withinHost', 'waits', 'graphLaunches'];

export function checks(context) {
  return modesOn(context).flatMap(({ name, options }) => [
    { name: `fit of 24 batches beside 8, ${name}`, gpus: 1, run: () => fits(context, options) },
    { name: `predict in 16 parts beside 2, ${name}`, gpus: 1, run: () => parts(context, options) },
    { name: `predict, 4 layers beside 1, ${name}`, gpus: 1, run: () => layerCounts(context, options) },
  ]);
}

async function fits(context, options) {
  const detector = await create(context, options);
  const batch = images(8);
  const fitOf = (count) => detector.fit(Array(count).fill(batch));
  await fitOf(8); // shapes are known, and captured, from here on
  return verdict(await callsDuring(() => fitOf(8)), await callsDuring(() => fitOf(24)));
}

async function parts(context, options) {
  const during = async (chunkSize) => {
    const detector = await create(context, { ...options, chunkSize });
    await detector.fit([images(8)]);
    return steadyCalls(detector, images(32));
  };
  return verdict(await during(16), await during(2));
}

async function layerCounts(context, options) {
  const during = async (layers) => {
    const detector = await create(context, options, layers);
    await detector.fit([images(8)]);
    return steadyCalls(detector, images(8));
  };
  return verdict(await during(['layer1']), await during(resnet50(context, 8).layers));
}

function create(context, options, layers = resnet50(context, 8).layers) {
  return context.keep(NACUE.create(filesOf('resnet50').torchscript, { layers, ...options }));
}

async function steadyCalls(detector, batch) {
  for (let call = 0; call < 5; ++call) await detector.predict(batch);
  return callsDuring(() => detector.predict(batch));
}

function verdict(few, many) {
  const captured = totals().toHostCaptured;
  return {
    measured:
      `copies to the host ${few.toHost} and ${many.toHost}, captured ${captured}; waits ${few.waits} and ${many.waits}; ` +
      `copies to the GPU ${few.toDevice} and ${many.toDevice}; graphs launched ${few.graphLaunches} and ${many.graphLaunches}`,
    asked: 'no more copies to the host, none captured',
    isMet: many.toHost <= few.toHost && captured === 0 && many.toDevice > 0,
    values: { few, many },
  };
}

async function callsDuring(work) {
  const before = totals();
  await work();
  return Object.fromEntries(Object.entries(totals()).map(([name, count]) => [name, count - before[name]]));
}

function totals() {
  const bytes = readFileSync(process.env.NACUE_CUDA_CALLS);
  return Object.fromEntries(counters.map((name, i) => [name, Number(bytes.readBigUInt64LE(8 * i))]));
}
