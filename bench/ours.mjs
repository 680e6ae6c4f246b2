/** nacue, as a process that answers requests (serve.mjs): `node ours.mjs OPTIONS THREADS`, the options of all its detectors as JSON. */
import { readFileSync } from 'node:fs';
import { libtorchVersion, NACUE } from 'nacue';
import { memoryStatus, peakOf } from './process-memory.mjs';
import { serve } from './serve.mjs';

const modeOptions = JSON.parse(process.argv[2]);
const numThreads = Number(process.argv[3]);
const batches = new Map();
let detector;

await serve({
  versions: () => ({ libtorch: libtorchVersion() }),

  /** A detector in place of the one before, not fitted; says what it has chosen, if it chooses. */
  async load({ files, options }) {
    await detector?.close();
    detector = await NACUE.create(files.torchscript, { ...options, numThreads, ...modeOptions });
    return { plan: detector.plan };
  },

  /** Reads batches, in place of those before. */
  read({ inputs }) {
    batches.clear();
    for (const { file, shape } of inputs) batches.set(file, { data: floatsIn(file), shape });
    return {};
  },

  async fit({ files }) {
    return { seconds: await secondsOf(() => detector.fit(files.map(batchOf))) };
  },

  /** The mean of `repeats` calls, one straight after the other. */
  async predict({ file, repeats = 1 }) {
    const all = async () => {
      for (let call = 0; call < repeats; ++call) await detector.predict(batchOf(file));
    };
    return { seconds: (await secondsOf(all)) / repeats };
  },

  /** The scores of each batch, as base64 of float32. */
  async scores({ files }) {
    const scores = [];
    for (const file of files) scores.push(base64Of(await detector.predict(batchOf(file))));
    return { scores };
  },

  /** The counts of each layer, as base64 of little-endian integers of 64 bits. */
  counts: ({ layers }) => ({ counts: layers.map((layer) => base64Of(detector.counts(layer).data)) }),

  /** Per layer the steepness that spreads the contributions of a batch over the bins: 2 over their root mean square. */
  async steepness({ file }) {
    const layers = await detector.contributions(batchOf(file));
    const meanSquare = (data) => data.reduce((sum, value) => sum + value * value, 0) / data.length;
    return { alpha: layers.map(({ data }) => Number((2 / Math.sqrt(meanSquare(data))).toPrecision(3))) };
  },

  /** What the process takes now, in bytes. */
  memory: () => ({ resident: memoryStatus('VmRSS') }),

  /** The peak of memory while a batch is scored, or fitted. */
  peak: ({ call, file }) =>
    peakOf(() => (call === 'fit' ? detector.fit([batchOf(file)]) : detector.predict(batchOf(file)))),
});
await detector?.close();

function batchOf(file) {
  return batches.get(file);
}

async function secondsOf(call) {
  const began = performance.now();
  await call();
  return (performance.now() - began) / 1e3;
}

function floatsIn(file) {
  const { buffer, byteOffset, byteLength } = readFileSync(file);
  return new Float32Array(buffer, byteOffset, byteLength / 4);
}

function base64Of({ buffer, byteOffset, byteLength }) {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
}
