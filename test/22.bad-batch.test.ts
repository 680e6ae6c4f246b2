import assert from 'node:assert/strict';
import { type Batch, NACUE } from 'nacue';
import { type Expected, rejectsWith } from './failures.js';
import { fitBatches, fixture, golden, goldenOptions, sampleShape, scoreBatch } from './fixtures.js';

const rows = 2;
const zeros = (length = rows * 64) => new Float32Array(length);
const shape = [rows, ...sampleShape];
const type = (message: RegExp): Expected => ({ type: TypeError, code: 'ERR_NACUE_INVALID_ARG_TYPE', message });
const wrong = (message: RegExp): Expected => ({ type: RangeError, code: 'ERR_NACUE_SHAPE', message });

function detached(): Float32Array {
  const data = zeros();
  structuredClone(data.buffer, { transfer: [data.buffer] });
  return data;
}

describe('a bad batch', () => {
  let detector: NACUE;
  before(async () => {
    detector = await NACUE.create(fixture('small.pt'), goldenOptions());
    await detector.fit(fitBatches());
  });
  after(() => detector.close());
  afterEach('the detector scores as before', async () => {
    assert.deepEqual(Array.from(await detector.predict(scoreBatch())), golden.scores);
    assert.equal(detector.samples, 20);
  });

  const cases: [string, () => unknown, Expected][] = [
    ['undefined', () => undefined, type(/^batch must be/)],
    ['null', () => null, type(/^batch must be/)],
    ['a number', () => 3, type(/^batch must be/)],
    ['a plain array', () => [1, 2, 3], type(/^batch\.data must be a Float32Array/)],
    ['a Float64Array', () => new Float64Array(128), type(/^batch must be/)],
    [
      'a Float64Array as data',
      () => ({ data: new Float64Array(128), shape }),
      type(/^batch\.data must be a Float32Array, received an instance of Float64Array/),
    ],
    ['a Buffer as data', () => ({ data: Buffer.alloc(512), shape }), type(/^batch\.data/)],
    ['a DataView', () => ({ data: new DataView(new ArrayBuffer(512)), shape }), type(/^batch\.data/)],
    ['no shape', () => ({ data: zeros() }), type(/^batch\.shape must be an array/)],
    ['a shape that is no array', () => ({ data: zeros(), shape: 128 }), type(/^batch\.shape/)],
    ['a shape of strings', () => ({ data: zeros(), shape: ['2', 1, 8, 8] }), type(/^batch\.shape/)],
    ['an empty shape', () => ({ data: zeros(1), shape: [] }), wrong(/at least the batch dimension/)],
    [
      'a length that is not the product',
      () => ({ data: zeros(127), shape }),
      wrong(/has 127 values, batch\.shape \(2, 1, 8, 8\) asks for 128/),
    ],
    ['the wrong rank', () => ({ data: zeros(), shape: [2, 64] }), wrong(/must be \(B, 1, 8, 8\), received \(2, 64\)/)],
    ['other sizes', () => ({ data: zeros(), shape: [2, 1, 4, 16] }), wrong(/must be \(B, 1, 8, 8\)/)],
    ['a negative size', () => ({ data: zeros(), shape: [-2, 1, 8, 8] }), wrong(/whole numbers >= 0/)],
    ['a fractional size', () => ({ data: zeros(), shape: [2.5, 1, 8, 8] }), wrong(/whole numbers >= 0/)],
    ['NaN as a size', () => ({ data: zeros(), shape: [Number.NaN, 1, 8, 8] }), wrong(/whole numbers >= 0/)],
    ['a size past 2^53', () => ({ data: zeros(), shape: [2 ** 60, 1, 8, 8] }), wrong(/whole numbers >= 0/)],
    ['a bare array of another length', () => zeros(65), wrong(/no multiple of a sample of \(1, 8, 8\) = 64/)],
    [
      'a detached buffer',
      () => ({ data: detached(), shape }),
      wrong(/0 values \(was its buffer transferred or detached\?\)/),
    ],
  ];
  for (const [name, batch, expected] of cases) {
    it(`rejects ${name}`, async () => {
      await rejectsWith(detector.predict(batch() as Batch), expected);
      await rejectsWith(detector.score(batch() as Batch), expected);
      await rejectsWith(detector.fit([...fitBatches(), batch() as Batch]), expected);
      await rejectsWith(detector.partialFit([batch() as Batch]), expected);
    });
  }

  for (const [value, label] of [
    [Number.NaN, 'NaN'],
    [Number.POSITIVE_INFINITY, 'infinity'],
  ] as const) {
    it(`rejects ${label} and names the rows`, async () => {
      const data = zeros(5 * 64);
      data[64] = value;
      data[4 * 64 + 63] = value;
      const expected = {
        code: 'ERR_NACUE_NON_FINITE',
        message: /the batch has NaN or infinity in 2 of 5 rows: 1, 4$/,
      } as const;
      await rejectsWith(detector.predict(data), expected);
      await rejectsWith(detector.fit([...fitBatches(), data]), expected);
    });
  }

  it('rejects a finite batch whose logits are not', async () => {
    await using other = await NACUE.create(fixture('overflowing.pt'), { layers: ['conv1'], inputShape: sampleShape });
    await other.fit([zeros()]);
    const data = zeros(3 * 64);
    data.fill(200, 128);
    await rejectsWith(other.predict(data), { code: 'ERR_NACUE_NON_FINITE', message: /logits.* in 1 of 3 rows: 2$/ });
  });

  it('counts and scores NaN as pytorch-ood does with nonFinite: reference', async () => {
    await using other = await NACUE.create(fixture('small.pt'), { ...goldenOptions(), nonFinite: 'reference' });
    await other.fit([zeros().fill(Number.NaN)]);
    const { data, shape: size } = other.counts('conv1');
    assert.equal(data[size[1] - 1], BigInt(rows));
    assert.equal((await other.predict(zeros(64).fill(Number.NaN))).length, 1);
  });
});

describe('a good batch of an unusual kind', () => {
  let detector: NACUE;
  before(async () => {
    detector = await NACUE.create(fixture('small.pt'), goldenOptions());
    await detector.fit(fitBatches());
  });
  after(() => detector.close());
  const scores = async (batch: Batch) => Array.from(await detector.predict(batch));
  const { data, shape: size } = scoreBatch();

  it('may spell its shape dims, as an onnxruntime Tensor', async () => {
    assert.deepEqual(await scores({ data, dims: size }), golden.scores);
  });

  it('may be bare when inputShape was given', async () => {
    assert.deepEqual(await scores(data), golden.scores);
  });

  it('may not be bare without inputShape', async () => {
    await using other = await NACUE.create(fixture('small.pt'), { layers: ['conv1'] });
    await rejectsWith(other.fit([data]), type(/inputShape/));
  });

  it('may be a view with an offset', async () => {
    const view = new Float32Array(new ArrayBuffer(4 * (data.length + 9)), 12, data.length);
    view.set(data);
    assert.deepEqual(await scores(view), golden.scores);
  });

  it('may lie in shared memory', async () => {
    const shared = new Float32Array(new SharedArrayBuffer(4 * data.length));
    shared.set(data);
    assert.deepEqual(await scores(shared), golden.scores);
  });

  it('may lie in a resizable buffer, also one that shrinks right after the call', async () => {
    const resizable = new (
      ArrayBuffer as unknown as new (
        length: number,
        options: object,
      ) => ArrayBuffer & { resize(n: number): void }
    )(4 * data.length, { maxByteLength: 8 * data.length });
    const view = new Float32Array(resizable);
    view.set(data);
    const result = scores(view);
    resizable.resize(0);
    assert.deepEqual(await result, golden.scores);
  });

  it('may be overwritten or transferred right after the call, also while a fit is running', async () => {
    const first = data.slice();
    const second = data.slice();
    const fitting = detector.fit(fitBatches());
    const results = [scores(first), scores(second)];
    first.fill(9);
    structuredClone(second.buffer, { transfer: [second.buffer] });
    await fitting;
    assert.deepEqual(await Promise.all(results), [golden.scores, golden.scores]);
  });

  it('may have no rows', async () => {
    const empty = { data: new Float32Array(0), shape: [0, ...sampleShape] };
    assert.deepEqual(await scores(empty), []);
    const { scores: none, layerScores, logits } = await detector.score(empty);
    assert.deepEqual([none.length, layerScores.shape, logits.shape], [0, [golden.layers.length, 0], [0, 3]]);
    await detector.partialFit([empty, ...fitBatches()]);
    assert.equal(detector.samples, 40);
  });
});
