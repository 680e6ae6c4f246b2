import assert from 'node:assert/strict';
import { inspect, NACUE, type NACUEOptions, type ShapedBatch } from 'nacue';
import { optionNames } from '../lib/options.js';
import { type Expected, rejectsWith } from './failures.js';
import { fitBatches, fixture, goldenOptions, sampleShape } from './fixtures.js';

const good = { layers: ['conv1', 'layer1'], inputShape: sampleShape };

/** A list that iterates over nothing, whatever its length. */
class Silent extends Array<unknown> {
  override [Symbol.iterator]() {
    return [].values();
  }
}

const type = (message: RegExp): Expected => ({ type: TypeError, code: 'ERR_NACUE_INVALID_ARG_TYPE', message });
const range = (message: RegExp): Expected => ({ type: RangeError, code: 'ERR_NACUE_OUT_OF_RANGE', message });

describe('NACUE.create with bad options', () => {
  const cases: [string, unknown, Expected][] = [
    ['no options', undefined, type(/^options must be an object, received undefined$/)],
    ['an unknown option', { ...good, mbins: 4 }, range(/^options must be .*mBins.*received "mbins"$/)],
    ['no layers', { ...good, layers: undefined }, type(/^layers must be an array/)],
    ['empty layers', { ...good, layers: [] }, range(/^layers must be .*at least one/)],
    [
      'a layer that is no string',
      { ...good, layers: ['conv1', 3] },
      type(/^layers\[1\] must be a module name, received 3/),
    ],
    ['duplicate layers', { ...good, layers: ['conv1', 'conv1'] }, range(/different/)],
    ['too few values', { ...good, mBins: [10] }, range(/^mBins must be one number, or one per layer \(2\)/)],
    ['too many values', { ...good, alpha: [1, 2, 3] }, range(/^alpha must be one number, or one per layer \(2\)/)],
    ['no values', { ...good, oStar: [] }, range(/^oStar must be one number/)],
    ['mBins of the wrong type', { ...good, mBins: '50' }, type(/^mBins must be a whole number/)],
    ['a bigint', { ...good, mBins: 50n }, type(/^mBins .*received 50 \(bigint\)/)],
    ['one bin', { ...good, mBins: 1 }, range(/^mBins must be a whole number >= 2/)],
    ['half a bin', { ...good, mBins: [10, 2.5] }, range(/^mBins\[1\] .*received 2.5/)],
    ['too many bins', { ...good, mBins: 1e9 }, range(/<= 100000/)],
    ['NaN bins', { ...good, mBins: Number.NaN }, range(/received NaN/)],
    ['alpha of the wrong type', { ...good, alpha: '1' }, type(/^alpha must be a finite number > 0, received "1"$/)],
    ['oStar of the wrong type', { ...good, oStar: {} }, type(/^oStar must be a whole number >= 1, received an inst/)],
    ['NaN alpha', { ...good, alpha: Number.NaN }, range(/^alpha must be a finite number > 0, received NaN/)],
    ['alpha 0', { ...good, alpha: 0 }, range(/^alpha/)],
    ['negative alpha', { ...good, alpha: [1, -1] }, range(/^alpha\[1\]/)],
    ['infinite alpha', { ...good, alpha: Number.POSITIVE_INFINITY }, range(/^alpha/)],
    ['oStar 0', { ...good, oStar: 0 }, range(/^oStar must be a whole number >= 1/)],
    ['negative oStar', { ...good, oStar: -5 }, range(/^oStar/)],
    [
      'an unknown binning',
      { ...good, binning: 'linear' },
      range(/^binning must be 'geometric' or 'uniform' or 'logit'/),
    ],
    ['binning of the wrong type', { ...good, binning: 3 }, type(/^binning/)],
    ['openood bins that are odd', { ...good, binning: 'openood', mBins: 7 }, range(/^mBins must be an even number/)],
    [
      'odd bins by preset',
      { ...good, preset: 'openood', mBins: [50, 51] },
      range(/^mBins\[1\] must be an even number/),
    ],
    ['two openood bins', { ...good, preset: 'openood', mBins: 2 }, range(/^mBins must be a whole number >= 4/)],
    [
      'an unknown preset',
      { ...good, preset: 'official' },
      range(/^preset must be 'pytorch-ood' or 'openood', received/),
    ],
    ['preset of the wrong type', { ...good, preset: ['openood'] }, type(/^preset must be .*received \["openood"\]$/)],
    ['an unknown aggregation', { ...good, aggregation: 'max' }, range(/^aggregation must be 'sum' or 'mean'/)],
    ['aggregation of the wrong type', { ...good, aggregation: true }, type(/^aggregation .*received true$/)],
    ['an unknown reduce', { ...good, featureReduce: 'max' }, range(/^featureReduce must be 'auto'/)],
    ['reduce of the wrong type', { ...good, featureReduce: 3 }, type(/^featureReduce must be 'auto', .* received 3/)],
    ['a function as reduce', { ...good, featureReduce: () => {} }, type(/^featureReduce must .*received a function$/)],
    ['one wrong reduce', { ...good, featureReduce: ['auto', {}] }, type(/^featureReduce\[1\] must be 'auto'/)],
    [
      'too few reduces',
      { ...good, featureReduce: ['auto'] },
      range(/^featureReduce must be one name, or one per layer/),
    ],
    ['weights of the wrong type', { ...good, layerWeights: 1 }, type(/^layerWeights must be an array of numbers/)],
    ['too few weights', { ...good, layerWeights: [1] }, range(/^layerWeights must be one number per layer \(2\)/)],
    ['no weights', { ...good, layerWeights: [] }, range(/^layerWeights must be one number per layer \(2\)/)],
    ['a weight of the wrong type', { ...good, layerWeights: [1, '1'] }, type(/^layerWeights\[1\] must be a finite/)],
    ['a hole in the weights', { ...good, layerWeights: new Array(2) }, type(/^layerWeights\[0\].*received undefined$/)],
    ['a hole in a list', { ...good, mBins: new Array(2) }, type(/^mBins\[0\] .*undefined$/)],
    [
      'a list that gives fewer values than its length',
      { ...good, alpha: new Silent(1, 2) },
      range(/^alpha must be one/),
    ],
    [
      'layers of which none is given',
      { ...good, layers: new Silent('conv1', 'fc') },
      range(/^layers must be .*at least/),
    ],
    ['weights of which none is given', { ...good, layerWeights: new Silent(1, 2) }, range(/^layerWeights must be one/)],
    ['sides of which none is given', { ...good, inputShape: new Silent(1, 8) }, range(/^inputShape must be a shape/)],
    ...optionNames.map((name): [string, unknown, Expected] => [
      `null as ${name}`,
      { ...good, [name]: null },
      type(new RegExp(`^${name} must be .*received null$`)),
    ]),
    [
      'a negative weight',
      { ...good, layerWeights: [1, -0.1] },
      range(/^layerWeights\[1\] must be a finite number >= 0/),
    ],
    ['a NaN weight', { ...good, layerWeights: [Number.NaN, 1] }, range(/^layerWeights\[0\] .*NaN/)],
    ['a weight too large', { ...good, layerWeights: [1, 1.1e9] }, range(/^layerWeights\[1\] .*<= 1e9/)],
    ['an infinite weight', { ...good, layerWeights: [1, Number.POSITIVE_INFINITY] }, range(/^layerWeights\[1\]/)],
    [
      'weights that are all 0',
      { ...good, layerWeights: [0, 0] },
      range(/^layerWeights must be a list that is not all 0/),
    ],
    ['an unknown device', { ...good, device: 'tpu' }, range(/^device must be 'cpu', 'cuda', 'cuda:N' or 'auto'/)],
    ['a malformed device', { ...good, device: 'cuda:' }, range(/^device/)],
    ['device of the wrong type', { ...good, device: 0 }, type(/^device/)],
    ['no threads', { ...good, numThreads: 0 }, range(/^numThreads must be a whole number >= 1/)],
    ['1,025 threads', { ...good, numThreads: 1025 }, range(/^numThreads must be a whole number >= 1 and <= 1024, rec/)],
    ['part of a thread', { ...good, numThreads: 1.5 }, range(/^numThreads/)],
    ['threads of the wrong type', { ...good, numThreads: '2' }, type(/^numThreads/)],
    ['an unknown mode', { ...good, mode: 'quick' }, range(/^mode must be 'parity' or 'fast', received "quick"$/)],
    ['mode of the wrong type', { ...good, mode: true }, type(/^mode must be 'parity' or 'fast', received true$/)],
    [
      'an unknown precision',
      { ...good, mode: 'fast', precision: 'float16' },
      range(/^precision must be 'float32' or 'tf32' or 'bfloat16', received "float16"$/),
    ],
    [
      'precision of the wrong type',
      { ...good, mode: 'fast', precision: 32 },
      type(/^precision must be .*received 32 /),
    ],
    ...['tf32', 'bfloat16'].map((precision): [string, unknown, Expected] => [
      `${precision} in parity mode`,
      { ...good, precision },
      range(new RegExp(`^precision must be 'float32' with mode 'parity', received "${precision}"$`)),
    ]),
    [
      'tf32 on the CPU',
      { ...good, mode: 'fast', precision: 'tf32' },
      range(/^precision must be 'float32' or 'bfloat16' with device 'cpu', received "tf32"$/),
    ],
    ['chunks of no samples', { ...good, chunkSize: 0 }, range(/^chunkSize must be a whole number >= 1 or 'auto', rec/)],
    ['chunks of part of a sample', { ...good, chunkSize: 1.5 }, range(/^chunkSize .*received 1\.5 /)],
    ['chunks of -1 sample', { ...good, chunkSize: -1 }, range(/^chunkSize .*received -1 /)],
    ['chunks of NaN samples', { ...good, chunkSize: Number.NaN }, range(/^chunkSize .*received NaN /)],
    ['chunks by an unknown name', { ...good, chunkSize: 'all' }, range(/^chunkSize .*'auto', received "all"$/)],
    ['chunkSize of the wrong type', { ...good, chunkSize: [8] }, type(/^chunkSize must be a whole number >= 1 or/)],
    [
      'a memoryLimit below 16 MiB',
      { ...good, chunkSize: 'auto', memoryLimit: 2 ** 24 - 1 },
      range(/^memoryLimit must be a whole number >= 16777216, received 16777215 /),
    ],
    ['part of a byte', { ...good, chunkSize: 'auto', memoryLimit: 2e7 + 0.5 }, range(/^memoryLimit .*20000000\.5 /)],
    [
      'memoryLimit of the wrong type',
      { ...good, chunkSize: 'auto', memoryLimit: '1 GB' },
      type(/^memoryLimit must be a whole number >= 16777216, received "1 GB"$/),
    ],
    ...[undefined, 8].map((chunkSize): [string, unknown, Expected] => [
      `a memoryLimit with chunkSize ${chunkSize}`,
      { ...good, chunkSize, memoryLimit: 2 ** 30 },
      range(/^memoryLimit must be left out without chunkSize 'auto', received 1073741824 /),
    ]),
    ['inputShape of the wrong type', { ...good, inputShape: 64 }, type(/^inputShape must be an array/)],
    ['an empty inputShape', { ...good, inputShape: [] }, range(/^inputShape/)],
    ['a zero in inputShape', { ...good, inputShape: [1, 0, 8] }, range(/^inputShape\[1\]/)],
    ['a negative output', { ...good, output: -1 }, range(/^output must be a whole number or the name/)],
    ['output of the wrong type', { ...good, output: {} }, type(/^output/)],
    ['an unknown nonFinite', { ...good, nonFinite: 'ignore' }, range(/^nonFinite must be 'error' or 'reference'/)],
    ['a nativeBinding of the wrong type', { ...good, nativeBinding: 1 }, type(/^nativeBinding must be a path/)],
    ['an empty nativeBinding', { ...good, nativeBinding: '' }, range(/^nativeBinding/)],
    ['a signal that is none', { ...good, signal: {} }, type(/^signal must be an AbortSignal/)],
  ];
  for (const [name, options, expected] of cases) {
    it(`rejects ${name}`, () => rejectsWith(NACUE.create(fixture('small.pt'), options as NACUEOptions), expected));
  }

  it('has defaults for all that may be left out', async () => {
    await using detector = await NACUE.create(fixture('small.pt'), { layers: ['conv1', 'fc'] });
    assert.deepEqual([detector.preset, detector.binning, detector.aggregation], ['pytorch-ood', 'geometric', 'sum']);
    const values = { mBins: 50, alpha: 100, oStar: 50, featureReduce: 'auto', weight: 1 };
    const unseen = { neurons: undefined, outputShape: undefined };
    assert.deepEqual(
      detector.layers,
      ['conv1', 'fc'].map((name) => ({ name, ...values, ...unseen })),
    );
    assert.deepEqual([detector.device, detector.threshold, detector.fitted], ['cpu', undefined, false]);
    assert.deepEqual(detector.plan, {
      mode: 'parity',
      precision: 'float32',
      memoryFormat: 'contiguous',
      frozen: false,
      foldedBatchNorms: 0,
      chunkSize: undefined,
    });
  });

  it('rejects an inputShape that the model cannot take', () =>
    rejectsWith(NACUE.create(fixture('small.pt'), { layers: ['conv1'], inputShape: [3, 8, 8] }), {
      code: 'ERR_NACUE_MODEL_RUN',
      message: /the model failed on a batch of shape \[1, 3, 8, 8\]: .*channels/,
    }));

  it('rejects a bad inputShape of inspect()', async () => {
    const wrong = (inputShape: unknown) => inspect(fixture('small.pt'), { inputShape: inputShape as number[] });
    await rejectsWith(wrong([-1]), range(/^inputShape\[0\]/));
    await rejectsWith(wrong([]), range(/^inputShape must be a shape with at least one dimension/));
    await rejectsWith(wrong(['8']), type(/^inputShape\[0\] must be a whole number >= 1, received "8"$/));
    for (const value of [null, 8, '8', new Float32Array(3)])
      await rejectsWith(wrong(value), type(/^inputShape must be an array of numbers, received /));
  });

  it('rejects CUDA where there is none and falls back with auto', async () => {
    await using detector = await NACUE.create(fixture('small.pt'), { ...good, device: 'auto' });
    if (detector.device !== 'cpu') return;
    const expected = { code: 'ERR_NACUE_DEVICE_UNAVAILABLE', message: /device 'cuda(:1)?' cannot be used: / } as const;
    await rejectsWith(NACUE.create(fixture('small.pt'), { ...good, device: 'cuda' }), expected);
    await rejectsWith(NACUE.create(fixture('small.pt'), { ...good, device: 'cuda:1' }), expected);
    await rejectsWith(detector.to('cuda'), expected);
  });
});

describe('options that are no object', () => {
  for (const options of [null, 5, 'tpr', true]) {
    it(`are rejected by every method: ${options}`, async () => {
      await using detector = await NACUE.create(fixture('small.pt'), goldenOptions());
      await detector.fit(fitBatches());
      const [batch] = fitBatches() as [ShapedBatch];
      const state = await detector.toBuffer();
      const calls = [
        () => detector.fit([batch], options as never),
        () => detector.partialFit([batch], options as never),
        () => detector.predict(batch, options as never),
        () => detector.score(batch, options as never),
        () => detector.contributions(batch, options as never),
        () => detector.calibrate([batch], options as never),
        () => inspect(fixture('small.pt'), options as never),
        () => NACUE.restore(fixture('small.pt'), state, options as never),
      ];
      for (const call of calls) await rejectsWith(call(), type(/^options must be an object, received /));
      assert.equal(detector.samples, 20);
    });
  }
});

describe('NACUE.restore with bad options', () => {
  it('rejects null for every option', async () => {
    await using detector = await NACUE.create(fixture('small.pt'), goldenOptions());
    await detector.fit(fitBatches());
    const state = await detector.toBuffer();
    for (const name of [...optionNames, 'allowModelMismatch', 'allowModeMismatch'])
      await rejectsWith(
        NACUE.restore(fixture('small.pt'), state, { [name]: null }),
        type(new RegExp(`^${name} must be .*received null$`)),
      );
  });
});

describe('a misspelt option', () => {
  it('is rejected by every method, which names those it has', async () => {
    await using detector = await NACUE.create(fixture('small.pt'), goldenOptions());
    await detector.fit(fitBatches());
    const [batch] = fitBatches() as [ShapedBatch];
    const state = await detector.toBuffer();
    const misspelt = { explian: 2 } as never;
    const calls: [string, () => Promise<unknown>][] = [
      ['onProgress, signal', () => detector.fit([batch], misspelt)],
      ['onProgress, signal', () => detector.partialFit([batch], misspelt)],
      ['signal', () => detector.predict(batch, misspelt)],
      ['explain, signal', () => detector.score(batch, misspelt)],
      ['signal', () => detector.contributions(batch, misspelt)],
      ['onProgress, signal, tpr', () => detector.calibrate([batch], misspelt)],
      ['inputShape, nativeBinding', () => inspect(fixture('small.pt'), misspelt)],
      [
        'layers, .*, signal, allowModelMismatch, allowModeMismatch',
        () => NACUE.restore(fixture('small.pt'), state, misspelt),
      ],
    ];
    for (const [keys, call] of calls) {
      const message = new RegExp(`^options must be an object with the keys ${keys}, received "explian"$`);
      await rejectsWith(call(), range(message));
    }
    assert.equal(detector.samples, 20);
    assert.equal(detector.threshold, undefined);
  });
});

describe('detector.calibrate with bad options', () => {
  const cases: [string, object, Expected][] = [
    ['tpr 0', { tpr: 0 }, range(/^tpr must be a number > 0 and <= 1, received 0/)],
    ['a negative tpr', { tpr: -0.5 }, range(/^tpr/)],
    ['a tpr in per cent', { tpr: 95 }, range(/^tpr .*received 95/)],
    ['a tpr just above 1', { tpr: 1 + Number.EPSILON }, range(/^tpr/)],
    ['a NaN tpr', { tpr: Number.NaN }, range(/^tpr .*NaN/)],
    ['a tpr of the wrong type', { tpr: '0.95' }, type(/^tpr must be a number > 0 and <= 1, received "0.95"$/)],
    ['a tpr of null', { tpr: null }, type(/^tpr .*received null$/)],
    ['a signal that is none', { signal: {} }, type(/^signal must be an AbortSignal/)],
    ['onProgress that is no function', { onProgress: true }, type(/^onProgress must be a function/)],
  ];
  for (const [name, options, expected] of cases) {
    it(`rejects ${name}, before it asks for a batch`, async () => {
      await using detector = await NACUE.create(fixture('small.pt'), goldenOptions());
      let asked = false;
      function* batches() {
        asked = true;
        yield* fitBatches();
      }
      await rejectsWith(detector.calibrate(batches(), options), expected);
      assert.equal(asked, false);
    });
  }

  for (const batches of [undefined, null, 5, 'batches', new Float32Array(64), {}]) {
    it(`rejects ${typeof batches} as batches`, async () => {
      await using detector = await NACUE.create(fixture('small.pt'), goldenOptions());
      await rejectsWith(detector.calibrate(batches as never), type(/^batches must be an Iterable/));
    });
  }
});
