import { inspect, NACUE, type NACUEOptions } from 'nacue';
import { type Expected, rejectsWith } from './failures.js';
import { fixture, sampleShape } from './fixtures.js';

const good = { layers: ['conv1', 'layer1'], inputShape: sampleShape };
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
    ['alpha of the wrong type', { ...good, alpha: null, oStar: {} }, type(/^oStar must be/)],
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
    ['an unknown reduce', { ...good, featureReduce: 'max' }, range(/^featureReduce must be 'auto'/)],
    ['an unknown device', { ...good, device: 'tpu' }, range(/^device must be 'cpu', 'cuda', 'cuda:N' or 'auto'/)],
    ['a malformed device', { ...good, device: 'cuda:' }, range(/^device/)],
    ['device of the wrong type', { ...good, device: 0 }, type(/^device/)],
    ['no threads', { ...good, numThreads: 0 }, range(/^numThreads must be a whole number >= 1/)],
    ['part of a thread', { ...good, numThreads: 1.5 }, range(/^numThreads/)],
    ['threads of the wrong type', { ...good, numThreads: '2' }, type(/^numThreads/)],
    ['inputShape of the wrong type', { ...good, inputShape: 64 }, type(/^inputShape must be an array/)],
    ['an empty inputShape', { ...good, inputShape: [] }, range(/^inputShape/)],
    ['a zero in inputShape', { ...good, inputShape: [1, 0, 8] }, range(/^inputShape\[1\]/)],
    ['a negative output', { ...good, output: -1 }, range(/^output must be a whole number or the name/)],
    ['output of the wrong type', { ...good, output: {} }, type(/^output/)],
    ['an unknown nonFinite', { ...good, nonFinite: 'ignore' }, range(/^nonFinite must be 'error' or 'reference'/)],
    ['a signal that is none', { ...good, signal: {} }, type(/^signal must be an AbortSignal/)],
  ];
  for (const [name, options, expected] of cases) {
    it(`rejects ${name}`, () => rejectsWith(NACUE.create(fixture('small.pt'), options as NACUEOptions), expected));
  }

  it('rejects an inputShape that the model cannot take', () =>
    rejectsWith(NACUE.create(fixture('small.pt'), { layers: ['conv1'], inputShape: [3, 8, 8] }), {
      code: 'ERR_NACUE_MODEL_RUN',
      message: /the model failed on a batch of shape \[1, 3, 8, 8\]: .*channels/,
    }));

  it('rejects a bad inputShape of inspect()', () =>
    rejectsWith(inspect(fixture('small.pt'), { inputShape: [-1] }), range(/^inputShape\[0\]/)));

  it('rejects CUDA where there is none and falls back with auto', async () => {
    await using detector = await NACUE.create(fixture('small.pt'), { ...good, device: 'auto' });
    if (detector.device !== 'cpu') return;
    const expected = { code: 'ERR_NACUE_DEVICE_UNAVAILABLE', message: /device 'cuda(:1)?' cannot be used: / } as const;
    await rejectsWith(NACUE.create(fixture('small.pt'), { ...good, device: 'cuda' }), expected);
    await rejectsWith(NACUE.create(fixture('small.pt'), { ...good, device: 'cuda:1' }), expected);
    await rejectsWith(detector.to('cuda'), expected);
  });
});
