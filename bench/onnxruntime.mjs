/** A plain forward pass of ONNX Runtime, as a process that answers requests (serve.mjs): `node onnxruntime.mjs THREADS`. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { serve } from './serve.mjs';

const { InferenceSession, Tensor } = createRequire(import.meta.url)('onnxruntime-node');
const intraOpNumThreads = Number(process.argv[2]);
const batches = new Map();
let session;

await serve({
  async load({ files }) {
    await session?.release();
    session = await InferenceSession.create(files.onnx, { intraOpNumThreads, interOpNumThreads: 1 });
    return {};
  },

  read({ inputs }) {
    batches.clear();
    for (const { file, shape } of inputs) {
      const { buffer, byteOffset, byteLength } = readFileSync(file);
      batches.set(file, new Tensor('float32', new Float32Array(buffer, byteOffset, byteLength / 4), shape));
    }
    return {};
  },

  async forward({ file }) {
    const began = performance.now();
    await session.run({ input: batches.get(file) });
    return { seconds: (performance.now() - began) / 1e3 };
  },
});
