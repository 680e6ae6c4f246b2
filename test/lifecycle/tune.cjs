// One scenario per run, in a process of its own: `node tune.cjs SCENARIO`. What it prints and how it ends is checked by
// ../72.tune.test.ts.
const path = require('node:path');
const { Worker, parentPort } = require('node:worker_threads');
const { NACUE, tune } = require('nacue');

const sample = [1, 8, 8];
const small = path.join(__dirname, '..', 'fixtures', 'small.pt');

/** Seeded samples in batches of 50. */
function batches(count, scale, seed) {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return scale * (state / 2 ** 31 - 1);
  };
  return Array.from({ length: count / 50 }, () => Float32Array.from({ length: 50 * 64 }, next));
}

const sets = (count) => ({
  fit: batches(count, 1, 1),
  id: batches(count, 1, 2),
  ood: { loud: batches(count, 1.2, 3), faint: batches(count, 0.8, 4) },
});
const create = (options = {}) => NACUE.create(small, { layers: ['layer1', 'fc'], inputShape: sample, ...options });

/** Starts a search; `reached` is called in its midst. */
async function searchUntil(phase, reached) {
  let isReached = false;
  const onProgress = (progress) => {
    if (progress.phase !== phase || isReached) return;
    isReached = true;
    // The next step of the search begins before this runs.
    setTimeout(reached, 5);
  };
  await tune({ detector: await create(), ...sets(1000), memoryLimit: 0, onProgress });
}

const scenarios = {
  async exit() {
    await searchUntil('candidates', () => {
      console.log('searching');
      process.exit(7);
    });
  },

  async worker() {
    await searchUntil('combinations', () => parentPort.postMessage('searching'));
  },

  async terminate() {
    let times = 0;
    for (; times < 4; ++times) {
      const worker = new Worker(__filename, { argv: ['worker'] });
      await new Promise((resolve) => worker.once('message', resolve));
      await worker.terminate();
    }
    console.log('terminated', times);
  },

  // Each search holds some 20 MB of contributions.
  async memory() {
    const detector = await create({ layers: ['conv1'], featureReduce: 'flatten' });
    const search = async () => {
      const tuning = await tune({ detector, ...sets(5000), grid: { oStar: [1] } });
      await tuning.detector.close();
      global.gc();
      return process.memoryUsage.rss();
    };
    await search();
    const before = await search();
    for (let round = 0; round < 3; ++round) await search();
    console.log('grown by', Math.round(((await search()) - before) / 1e6), 'MB');
  },

  async result() {
    const detector = await create({ numThreads: 1 });
    const { ranking, scored } = await tune({ detector, ...sets(100), maxCandidates: 3000 });
    console.log(JSON.stringify({ scored, ranking }));
    process.exit();
  },

  async full() {
    const detector = await create();
    const failed = await tune({ detector, ...sets(1000), memoryLimit: 0 }).catch((error) => error);
    console.log(failed.code, failed.message.includes('File too large') ? 'File too large' : failed.message);
    await detector.close();
  },
};

scenarios[process.argv[2]]();
