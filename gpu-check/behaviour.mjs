/** What a detector promises on a device, beside its numbers: devices, errors, states, several at once, repeated and new shapes. */
import assert from 'node:assert/strict';
import { NACUE } from 'nacue';
import { fixture, meanDistance, movedShare, noise, relativeDistance } from './samples.mjs';

const model = fixture('small.pt');
const sample = [1, 8, 8];
const options = { layers: ['conv1', 'layer1', 'avgpool', 'fc'], mBins: 12, alpha: 600, oStar: 18 };
const sizes = [16, 1, 7, 2, 11, 4, 1, 8];
/** The largest difference of contributions over the largest of them. */
const near = 1e-4;

export function checks({ device, cpu, keep }) {
  const same = sameScores(cpu ? 0 : 1e-2);
  const create = (extra = {}) => keep(NACUE.create(model, { ...options, device, ...extra }));
  const restore = (state, extra = {}) => keep(NACUE.restore(model, state, extra));
  const fitted = async (extra) => (await create(extra)).fit(sizes.map((count, i) => noise(count, sample, i + 1)));
  return [
    { name: "device names: 'cuda', 'cuda:0', 'auto'", run: () => deviceNames(create, cpu) },
    { name: 'a device that is not there', run: () => missingDevice(create) },
    { name: 'non-finite input and its rows', run: () => nonFiniteRows(fitted, same) },
    { name: 'a batch of a wrong shape', run: () => wrongShape(fitted) },
    { name: "to('cpu') and back", run: () => toAndBack(fitted, device, same) },
    {
      name: 'a state saved on the device, restored on the CPU and back',
      run: () => stateAcrossDevices(fitted, restore, device, same),
    },
    { name: 'states of the device and of the CPU merged', run: () => mergedStates(fitted, restore) },
    { name: 'two detectors at once, two modes', run: () => twoAtOnce(fitted, same) },
    { name: 'batches of repeated shapes', run: () => repeatedShapes(fitted, {}, same) },
    {
      name: 'batches of repeated shapes, fast mode',
      run: () => repeatedShapes(fitted, { mode: 'fast', precision: 'float32' }, same),
    },
    { name: 'more shapes than are kept', run: () => manyShapes(fitted, same) },
    { name: 'parts of a batch', run: () => partsOfABatch(fitted) },
    { name: 'partialFit adds up to fit', run: () => partialFits(create, fitted) },
    { name: 'an aborted fit leaves the counts', run: () => abortedFit(fitted) },
    { name: 'closed while it works', run: () => closedWhileWorking(fitted) },
    ...['float32', 'tf32', 'bfloat16']
      .filter((precision) => !(cpu && precision === 'tf32'))
      .map((precision) => ({ name: `fast mode, ${precision}`, run: () => precisionOfFastMode(fitted, precision) })),
    { name: 'two GPUs in one process', gpus: 2, run: () => twoDevices(fitted, same) },
  ];
}

async function deviceNames(create, cpu) {
  const names = cpu ? ['cpu', 'auto'] : ['cuda', 'cuda:0', 'auto'];
  const places = [];
  for (const device of names) {
    const detector = await create({ device });
    places.push(detector.device);
  }
  assert.deepEqual(new Set(places), new Set([cpu ? 'cpu' : 'cuda:0']));
  return { measured: places.join(', '), asked: cpu ? 'cpu' : 'cuda:0' };
}

async function missingDevice(create) {
  await rejectsWith(create({ device: 'cuda:99' }), 'ERR_NACUE_DEVICE_UNAVAILABLE');
  const detector = await create();
  await rejectsWith(detector.to('cuda:99'), 'ERR_NACUE_DEVICE_UNAVAILABLE');
  const before = detector.device;
  await detector.contributions(noise(2, sample));
  return { measured: `refused; the detector works on at ${before}`, asked: 'ERR_NACUE_DEVICE_UNAVAILABLE' };
}

async function nonFiniteRows(fitted, same) {
  const detector = await fitted();
  const other = noise(40, sample, 51);
  const before = [await detector.predict(other)];
  const batch = noise(5, sample, 50);
  batch.data[1 * 64 + 3] = Number.NaN;
  batch.data[4 * 64] = Number.POSITIVE_INFINITY;
  const { message } = await rejectsWith(detector.predict(batch), 'ERR_NACUE_NON_FINITE');
  assert.match(message, /\b1\b.*\b4\b/);
  await rejectsWith(detector.fit([noise(3, sample), batch]), 'ERR_NACUE_NON_FINITE');
  const { isMet, far } = same(before, [await detector.predict(other)]);
  return {
    measured: `${message}; then ${far}`,
    asked: 'ERR_NACUE_NON_FINITE with rows 1 and 4; scores of before',
    isMet,
  };
}

async function wrongShape(fitted) {
  const detector = await fitted();
  const { code } = await detector.predict(noise(2, [3, 8, 8])).catch((error) => error);
  const scores = await detector.predict(noise(2, sample));
  return {
    measured: `${code}, then ${scores.length} scores`,
    asked: 'an error, and the detector usable',
    isMet: /^ERR_NACUE_/.test(code),
  };
}

async function toAndBack(fitted, device, same) {
  const detector = await fitted();
  const batch = noise(40, sample, 70);
  const [counts, scores, before] = [
    allCounts(detector),
    await detector.predict(batch),
    await detector.contributions(batch),
  ];
  await detector.to('cpu');
  assert.equal(detector.device, 'cpu');
  assert.deepEqual(allCounts(detector), counts);
  const onCpu = await detector.contributions(batch);
  await detector.to(device);
  assert.deepEqual(allCounts(detector), counts);
  const { isMet, far } = same([scores], [await detector.predict(batch)]);
  const moved = Math.max(...onCpu.map(({ data }, i) => relativeDistance(before[i].data, data)));
  return {
    measured: `the same counts; ${far}; contributions on the CPU differ by ${moved.toPrecision(2)}`,
    asked: `the same; contributions within ${near}`,
    isMet: isMet && moved <= near,
  };
}

async function stateAcrossDevices(fitted, restore, device, same) {
  const detector = await fitted();
  const state = await detector.toBuffer();
  const onCpu = await restore(state, { device: 'cpu' });
  assert.deepEqual(allCounts(onCpu), allCounts(detector));
  assert.deepEqual(await onCpu.toBuffer(), state);
  const back = await restore(await onCpu.toBuffer(), { device });
  assert.deepEqual(allCounts(back), allCounts(detector));
  const batch = noise(40, sample, 80);
  const [a, b, c] = await Promise.all([detector, back, onCpu].map((one) => one.predict(batch)));
  const [again, moved] = [same([a], [b]), same([a], [c])];
  return {
    measured: `the same bytes; back on the device ${again.far}, on the CPU ${moved.far}`,
    asked: 'the same bytes and scores',
    isMet: again.isMet && moved.isMet,
  };
}

async function mergedStates(fitted, restore) {
  const [a, b] = await Promise.all([fitted({}), fitted({ device: 'cpu' })]);
  const merged = NACUE.merge([await a.toBuffer(), await b.toBuffer()]);
  const sum = await restore(merged);
  const samples = 2 * sizes.reduce((total, count) => total + count);
  return { measured: `${sum.samples} samples`, asked: `${samples} samples`, isMet: sum.samples === samples };
}

async function twoAtOnce(fitted, same) {
  const [parity, fast] = await Promise.all([fitted({}), fitted({ mode: 'fast', precision: 'float32' })]);
  const batches = sizes.map((count, i) => noise(count, sample, 200 + i));
  const alone = [];
  for (const detector of [parity, fast]) alone.push(...(await inTurn(detector, batches)));
  const together = await Promise.all([parity, fast].map((detector) => inTurn(detector, batches)));
  const { isMet, far } = same(alone, together.flat());
  return { measured: far, asked: 'the scores of each alone', isMet };
}

/** Shapes come back often enough to be captured where that is done; other input in between must not show. */
async function repeatedShapes(fitted, extra, same) {
  const detector = await fitted(extra);
  const batches = sizes.map((count, i) => noise(count, sample, 300 + i));
  const first = await inTurn(detector, batches);
  const rounds = [];
  for (let round = 0; round < 6; ++round) rounds.push(same(first, await inTurn(detector, batches)));
  return worstOf(rounds, `6 more rounds of ${batches.length} batches`);
}

async function manyShapes(fitted, same) {
  const detector = await fitted();
  const batches = Array.from({ length: 14 }, (_, i) => noise(i + 1, sample, 400 + i));
  const first = await inTurn(detector, batches);
  const thrice = batches.flatMap((batch) => [batch, batch, batch]);
  const rounds = [];
  for (let round = 0; round < 5; ++round)
    rounds.push(
      same(
        first.flatMap((scores) => [scores, scores, scores]),
        await inTurn(detector, thrice),
      ),
    );
  return worstOf(rounds, '5 more rounds of 14 shapes');
}

function worstOf(rounds, what) {
  const worst = rounds.reduce((a, b) => (b.value > a.value ? b : a));
  return { measured: `${what}: ${worst.far}`, asked: 'the scores of the first round', isMet: worst.isMet };
}

async function partsOfABatch(fitted) {
  const [whole, parts] = await Promise.all([fitted({}), fitted({ chunkSize: 4 })]);
  const moved = Math.max(
    ...options.layers.map((layer) => movedShare(whole.counts(layer).data, parts.counts(layer).data, 1)),
  );
  const batch = noise(19, sample, 500);
  const [a, b] = [await whole.contributions(batch), await parts.contributions(batch)];
  const far = Math.max(...a.map(({ data }, i) => relativeDistance(data, b[i].data)));
  return {
    measured: `contributions differ by ${far.toPrecision(2)}, ${moved} of the counts`,
    asked: `${near}, 1e-3`,
    isMet: far <= near && moved <= 1e-3,
  };
}

async function partialFits(create, fitted) {
  const [whole, parts] = await Promise.all([fitted(), create()]);
  for (const [i, count] of sizes.entries()) await parts.partialFit([noise(count, sample, i + 1)]);
  const moved = Math.max(
    ...options.layers.map((layer) => movedShare(whole.counts(layer).data, parts.counts(layer).data, 1)),
  );
  return { measured: `${moved} of the counts differ`, asked: 'at most 1e-3', isMet: moved <= 1e-3 };
}

async function abortedFit(fitted) {
  const detector = await fitted();
  const before = allCounts(detector);
  const abort = new AbortController();
  const onProgress = () => abort.abort(new Error('enough'));
  await assert.rejects(
    detector.fit(
      sizes.map((count) => noise(count, sample, 9)),
      { signal: abort.signal, onProgress },
    ),
    /enough/,
  );
  assert.deepEqual(allCounts(detector), before);
  return { measured: 'the counts of before', asked: 'the counts of before' };
}

async function closedWhileWorking(fitted) {
  const detector = await fitted();
  const running = Array.from({ length: 20 }, (_, i) => detector.predict(noise(32, sample, i)));
  const closed = detector.close();
  const settled = await Promise.allSettled(running);
  await closed;
  await rejectsWith(detector.predict(noise(1, sample)), 'ERR_NACUE_CLOSED');
  const kinds = settled.map(({ status, reason }) => reason?.code ?? status);
  return { measured: [...new Set(kinds)].join(', '), asked: 'every call settles; later ones ERR_NACUE_CLOSED' };
}

async function precisionOfFastMode(fitted, precision) {
  const [exact, fast] = await Promise.all([fitted({}), fitted({ mode: 'fast', precision })]);
  assert.equal(fast.plan.precision, precision);
  const batch = noise(64, sample, 600);
  const [a, b] = [await exact.contributions(batch), await fast.contributions(batch)];
  const far = a.map(({ data, layer }, i) => [layer, relativeDistance(data, b[i].data)]);
  const bound = { float32: 1e-4, tf32: 2e-2, bfloat16: 0.25 }[precision];
  return {
    measured: `contributions differ by ${far.map(([layer, value]) => `${layer} ${value.toPrecision(2)}`).join(', ')}`,
    asked: `${bound} of the largest`,
    isMet: far.every(([, value]) => value <= bound),
    values: { plan: fast.plan },
  };
}

async function twoDevices(fitted, same) {
  const [a, b] = await Promise.all([fitted({ device: 'cuda:0' }), fitted({ device: 'cuda:1' })]);
  const batches = sizes.map((count, i) => noise(count, sample, 700 + i));
  const { isMet, far } = same(...(await Promise.all([a, b].map((detector) => inTurn(detector, batches)))));
  await a.to('cuda:1');
  assert.deepEqual([a.device, b.device], ['cuda:1', 'cuda:1']);
  return { measured: `${b.device} beside cuda:0: ${far}`, asked: 'the same scores', isMet };
}

/**
 * Compares lists of scores by their mean difference. `bound` is 0 where kernels are deterministic; else a value near the edge of a bin may
 * fall into another, which moves the score of one sample, while wrong input or memory would move them all.
 */
function sameScores(bound) {
  return (scores, others) => {
    const value = meanDistance(flat(scores), flat(others));
    return {
      value,
      isMet: value <= bound,
      far: value === 0 ? 'equal scores' : `scores ${value.toPrecision(2)} apart (mean)`,
    };
  };
}

function flat(batches) {
  return batches.flatMap((scores) => [...scores]);
}

async function inTurn(detector, batches) {
  const scores = [];
  for (const batch of batches) scores.push(await detector.predict(batch));
  return scores;
}

function allCounts(detector) {
  return options.layers.map((layer) => detector.counts(layer));
}

async function rejectsWith(promise, code) {
  const error = await promise.then(
    () => assert.fail(`it succeeded, ${code} was expected`),
    (reason) => reason,
  );
  assert.equal(error.code, code, error.stack);
  return error;
}
