// One scenario per run, in a process of its own: `node child.cjs SCENARIO [ARGUMENT...]`. What it prints and how it ends is checked by
// ../40.lifecycle.test.ts.
const assert = require('node:assert/strict');
const path = require('node:path');
const { Worker, parentPort } = require('node:worker_threads');

const folder = path.join(__dirname, '..', 'fixtures');
const sample = [1, 8, 8];
const rows = (count, value = 0.25) => new Float32Array(64 * count).fill(value);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function createDetector(model = 'small', layers = ['layer1', 'fc']) {
  // Loaded here: a process that never creates a detector must not open LibTorch.
  const { NACUE } = require('nacue');
  return NACUE.create(path.join(folder, `${model}.pt`), { layers, inputShape: sample });
}

const createSlow = () => createDetector('slow', ['stem']);

/** Brings a detector into the state of the name and returns it. */
const states = {
  idle: () => createDetector(),
  async fitted() {
    const detector = await createDetector();
    await detector.fit([rows(4)]);
    await detector.predict(rows(1));
    return detector;
  },
  async running() {
    const detector = await createSlow();
    await detector.fit([rows(1)]);
    for (let call = 0; call < 5; ++call) detector.predict(rows(1)).catch(() => {});
    await sleep(20);
    return detector;
  },
  async closed() {
    const detector = await states.fitted();
    await detector.close();
    return detector;
  },
};

/** Ways for a process to end. */
const ends = {
  normal() {},
  exit() {
    process.exit(0);
  },
  exception() {
    setImmediate(() => {
      throw new Error('an exception nobody catches');
    });
  },
};

const until = (worker, event) => new Promise((resolve) => worker.once(event, resolve));

const scenarios = {
  async end(state, end) {
    global.kept = await states[state]();
    console.log('ready');
    ends[end]();
  },

  async worker(state) {
    const detector = await states[state]();
    parentPort.postMessage('ready');
    await sleep(state === 'running' ? 60_000 : 0);
    return detector;
  },

  async terminate(state, times) {
    for (let time = 0; time < Number(times); ++time) {
      const worker = new Worker(__filename, { argv: ['worker', state] });
      await until(worker, 'message');
      await worker.terminate();
    }
    console.log('terminated');
  },

  async workers() {
    const worker = () => new Worker(__filename, { argv: ['score'] });
    const results = await Promise.all([1, 2, 3, 4].map(() => until(worker(), 'message')));
    for (const result of results) assert.deepEqual(result, results[0]);
    console.log('equal', results.length);
  },

  async score() {
    const detector = await states.fitted();
    const scores = [];
    for (let round = 0; round < 10; ++round) scores.push(Array.from(await detector.predict(rows(3, round / 10))));
    parentPort.postMessage(scores);
  },

  async collect() {
    const calls = [];
    for (let round = 0; round < 5; ++round) {
      const detector = await createSlow();
      await detector.fit([rows(1)]);
      calls.push(detector.predict(rows(2)), detector.predict(rows(2)));
    }
    for (let round = 0; round < 20; ++round) {
      global.gc();
      await sleep(10);
    }
    for (const scores of await Promise.all(calls)) assert.equal(scores.length, 2);
    console.log('collected');
  },

  async forget() {
    const threads = () => require('node:fs').readdirSync('/proc/self/task').length;
    await states.fitted();
    const before = threads();
    for (let round = 0; round < 10; ++round) await states.fitted();
    for (let round = 0; round < 20; ++round) {
      global.gc();
      await sleep(10);
    }
    console.log('forgotten', threads() - before <= 2);
  },

  async copies(otherPackage) {
    const { NACUE } = require('nacue');
    const other = require(otherPackage).NACUE;
    assert.notEqual(NACUE, other);
    const results = [];
    for (const nacue of [NACUE, other, NACUE]) {
      const detector = await nacue.create(path.join(folder, 'small.pt'), {
        layers: ['layer1', 'fc'],
        inputShape: sample,
      });
      await detector.fit([rows(4)]);
      results.push(Array.from(await detector.predict(rows(2, 0.5))));
      await detector.close();
    }
    assert.deepEqual(results[0], results[1]);
    assert.deepEqual(results[0], results[2]);
    console.log('both work');
  },

  async cycles(times, model, ...layers) {
    const { NACUE } = require('nacue');
    const cycle = async () => {
      const detector = await NACUE.create(model, { layers, inputShape: [1, 28, 28], numThreads: 1 });
      await detector.fit([new Float32Array(8 * 784).fill(0.3)]);
      await detector.close();
    };
    const rss = () => {
      global.gc();
      return process.memoryUsage.rss();
    };
    // Until then the allocator's arenas still fill up: some 30 MB over the first 500 cycles, nothing after.
    for (let time = 0; time < 2 * Number(times); ++time) await cycle();
    const before = rss();
    for (let time = 0; time < Number(times); ++time) await cycle();
    console.log('grown by', Math.round((rss() - before) / 1e6), 'MB');
  },

  async unhandled() {
    const detector = await createDetector();
    await detector.fit([rows(4), rows(4), new Float32Array(3)]).catch((error) => console.log(error.code));
    await detector.close();
  },
};

const [name, ...options] = process.argv.slice(2);
process.on('unhandledRejection', (reason) => {
  console.error('unhandled rejection:', reason);
  process.exit(9);
});
scenarios[name](...options);
