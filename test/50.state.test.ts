import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { NACUE, type NACUEOptions, type NacueErrorCode, type RestoreOptions, type StateSource } from 'nacue';
import { type Expected, rejectsWith } from './failures.js';
import { fitBatches, fitRows, fixture, golden, sampleShape, scoreBatch } from './fixtures.js';
import { editMetadata, readStateFile, writeStateFile } from './state-mutation/state-file.js';
import { bitsOf, copyOf, expectNoWarnings, goldenDetector, goldenState, randomRows } from './states.js';

const small = fixture('small.pt');
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nacue state '));
after(() => fs.rmSync(folder, { recursive: true }));

const countsOf = (detector: NACUE) => detector.layers.map(({ name }) => detector.counts(name));
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** What must survive: all but where and how the detector runs. */
const contentsOf = (detector: NACUE) => ({
  layers: detector.layers,
  preset: detector.preset,
  binning: detector.binning,
  aggregation: detector.aggregation,
  plan: detector.plan,
  fitted: detector.fitted,
  samples: detector.samples,
  threshold: detector.threshold,
  counts: countsOf(detector),
});

async function isGolden(detector: NACUE): Promise<void> {
  assert.deepEqual(
    countsOf(detector).map(({ data }) => Array.from(data, Number)),
    golden.counts,
  );
  assert.deepEqual(Array.from(await detector.predict(scoreBatch())), golden.scores);
}

describe('detector.toBuffer and detector.save', () => {
  it('give the same bytes, each time', async () => {
    await using detector = await goldenDetector();
    const file = path.join(folder, 'same.safetensors');
    await detector.save(file);
    const bytes = await detector.toBuffer();
    assert.deepEqual(fs.readFileSync(file), Buffer.from(bytes));
    assert.deepEqual(await detector.toBuffer(), bytes);
    await detector.save(file);
    assert.deepEqual(fs.readFileSync(file), Buffer.from(bytes));
    assert.deepEqual(fs.readdirSync(folder), ['same.safetensors']);
  });

  it('give the bytes of docs/state-format.md', async () => {
    const bytes = await goldenState();
    const state = readStateFile(bytes);
    assert.deepEqual(writeStateFile(state), Buffer.from(bytes));
    assert.deepEqual(Object.keys(state.metadata), Object.keys(state.metadata).sort());
    assert.deepEqual(
      state.tensors.map(({ name, dtype, shape }) => [name, dtype, shape]),
      [
        ...golden.layers.map((name) => [`counts.${name}`, 'I64', [name === 'fc' ? 3 : 4, 12]]),
        ...golden.layers.map((name) => [`edges.${name}`, 'F32', [13]]),
      ],
    );
    const { bytes: counts } = state.tensors[0] as { bytes: Buffer };
    const numbers = new BigInt64Array(Uint8Array.from(counts).buffer);
    assert.deepEqual(Array.from(numbers, Number), golden.counts[0]);
  });

  it('need a fit and an open detector', async () => {
    const detector = await NACUE.create(small, { layers: ['fc'] });
    const file = path.join(folder, 'never');
    const expected = { code: 'ERR_NACUE_NOT_FITTED', message: /call fit\(\) before save\(\) or toBuffer\(\)/ } as const;
    await rejectsWith(detector.toBuffer(), expected);
    await rejectsWith(detector.save(file), expected);
    await detector.fit(fitBatches());
    await detector.close();
    await rejectsWith(detector.toBuffer(), { code: 'ERR_NACUE_CLOSED', message: /closed/ });
    await rejectsWith(detector.save(file), { code: 'ERR_NACUE_CLOSED', message: /closed/ });
    assert.equal(fs.existsSync(file), false);
  });

  it('wait for the fits called before them and not for those called after', async () => {
    await using detector = await goldenDetector();
    const slowly = async function* () {
      for (const batch of fitBatches()) {
        await sleep(5);
        yield batch;
      }
    };
    const before = await detector.toBuffer();
    const states = await Promise.all([
      detector.toBuffer(),
      detector.partialFit(slowly()).then(() => detector.samples),
      detector.toBuffer(),
      detector.fit([fitRows(0, 7)]),
      detector.toBuffer(),
    ]);
    assert.deepEqual(states[0], before);
    assert.equal(states[1], 40);
    assert.equal(readStateFile(states[2]).metadata.samples, '40');
    assert.equal(readStateFile(states[4]).metadata.samples, '7');
  });

  it('are refused inside the iterator of a fit', async () => {
    await using detector = await goldenDetector();
    const batches = async function* () {
      yield fitRows(0, 5);
      await detector.toBuffer();
    };
    await rejectsWith(detector.fit(batches()), { code: 'ERR_NACUE_REENTRANT', message: /iterator of its own fit/ });
    await isGolden(detector);
  });

  it('hand out bytes of their own', async () => {
    await using detector = await goldenDetector();
    const first = await detector.toBuffer();
    const kept = copyOf(first);
    first.fill(0);
    assert.deepEqual(copyOf(await detector.toBuffer()), kept);
  });
});

describe('NACUE.restore', () => {
  let state: Uint8Array;
  before(async () => {
    state = await goldenState();
  });

  it('gives the counts, the scores bit for bit, and the same bytes again', async () => {
    await using original = await goldenDetector();
    await using restored = await NACUE.restore(small, state);
    await isGolden(restored);
    assert.deepEqual(contentsOf(restored), contentsOf(original));
    assert.equal(bitsOf(await restored.predict(scoreBatch())), bitsOf(await original.predict(scoreBatch())));
    const scores = [await restored.score(scoreBatch()), await original.score(scoreBatch())];
    assert.deepEqual(scores[0], scores[1]);
    assert.deepEqual(await restored.toBuffer(), state);
  });

  it('keeps the threshold', async () => {
    await using original = await goldenDetector();
    const threshold = await original.calibrate([fitRows(3, 15)], { tpr: 0.9 });
    const calibrated = await original.toBuffer();
    assert.deepEqual(readStateFile(calibrated).metadata.threshold_tpr, '0.9');
    await using restored = await NACUE.restore(small, calibrated);
    assert.equal(restored.threshold, threshold);
    assert.deepEqual((await restored.score(scoreBatch())).isOutlier, (await original.score(scoreBatch())).isOutlier);
    assert.deepEqual(await restored.toBuffer(), calibrated);
    await restored.partialFit([fitRows(0, 1)]);
    assert.equal(restored.threshold, undefined);
  });

  it('goes on where the fit stopped: partialFit gives the bytes of one fit', async () => {
    await using detector = await NACUE.create(small, {
      layers: golden.layers,
      mBins: 12,
      alpha: 600,
      oStar: 18,
      inputShape: sampleShape,
    });
    await detector.fit([fitRows(0, 7)]);
    for (const rows of [fitRows(7, 14), fitRows(14, 20)]) {
      await using restored = await NACUE.restore(small, await detector.toBuffer());
      await Promise.all([detector.partialFit([rows]), restored.partialFit([rows])]);
      assert.deepEqual(await restored.toBuffer(), await detector.toBuffer());
    }
    assert.deepEqual(await detector.toBuffer(), state);
  });

  it('is a detector like any other: fit from zero, close', async () => {
    const restored = await NACUE.restore(small, state);
    await restored.fit([fitRows(0, 7)]);
    assert.equal(restored.samples, 7);
    await restored.fit(fitBatches());
    await isGolden(restored);
    assert.deepEqual(await restored.toBuffer(), state);
    await restored.close();
    await rejectsWith(restored.toBuffer(), { code: 'ERR_NACUE_CLOSED', message: /closed/ });
  });

  it('keeps what it restored when a fit fails', async () => {
    await using restored = await NACUE.restore(small, state);
    await rejectsWith(restored.fit([fitRows(0, 5), new Float32Array(64).fill(Number.NaN)]), {
      code: 'ERR_NACUE_NON_FINITE',
      message: /rows: 0$/,
    });
    await rejectsWith(restored.partialFit([]), { code: 'ERR_NACUE_EMPTY_FIT', message: /no samples/ });
    assert.deepEqual(await restored.toBuffer(), state);
  });

  describe('takes a state as', () => {
    const odd = () => {
      const bytes = Buffer.alloc(state.length + 9);
      bytes.set(state, 3);
      const view = bytes.subarray(3, 3 + state.length);
      assert.equal(view.byteOffset % 2, (bytes.byteOffset + 3) % 2);
      return view;
    };
    const shared = () => {
      const view = new Uint8Array(new SharedArrayBuffer(state.length + 5), 5);
      view.set(state);
      return view;
    };
    const resizable = () => {
      const Resizable = ArrayBuffer as unknown as new (length: number, options: object) => ArrayBuffer;
      const view = new Uint8Array(new Resizable(state.length, { maxByteLength: 2 * state.length }));
      view.set(state);
      return view;
    };
    const file = () => {
      const name = path.join(folder, 'ünïcode name.safetensors');
      fs.writeFileSync(name, state);
      return name;
    };
    const sources: [string, () => StateSource][] = [
      ['a path', file],
      ['a symbolic link', () => linkTo(file())],
      ['a Uint8Array', () => copyOf(state)],
      ['a Buffer', () => Buffer.from(state)],
      ['a view with an odd offset', odd],
      ['a view on shared memory', shared],
      ['a view on a resizable buffer', resizable],
    ];
    for (const [name, source] of sources) {
      it(name, async () => {
        await using restored = await NACUE.restore(small, source());
        await isGolden(restored);
        assert.deepEqual(Buffer.from(NACUE.merge([source()])), Buffer.from(state));
      });
    }

    function linkTo(target: string): string {
      const link = path.join(folder, 'link');
      fs.rmSync(link, { force: true });
      fs.symlinkSync(target, link);
      return link;
    }
  });

  it('takes a model as bytes', async () => {
    const bytes = fs.readFileSync(small);
    for (const model of [bytes, copyOf(bytes), sharedCopy(bytes)]) {
      await using restored = await NACUE.restore(model, state);
      await isGolden(restored);
      assert.deepEqual(await restored.toBuffer(), state);
    }
  });

  it('lets the caller overwrite or transfer both buffers right after the call', async () => {
    const stateBytes = copyOf(state);
    const modelBytes = copyOf(fs.readFileSync(small));
    const restoring = NACUE.restore(modelBytes, stateBytes);
    stateBytes.fill(0xff);
    structuredClone(modelBytes.buffer, { transfer: [modelBytes.buffer as ArrayBuffer] });
    await using restored = await restoring;
    await isGolden(restored);
  });

  it('runs many at a time', async () => {
    const restored = await Promise.all(Array.from({ length: 16 }, () => NACUE.restore(small, state)));
    for (const detector of restored) await isGolden(detector);
    await Promise.all(restored.map((detector) => detector.close()));
  });

  it('takes the options that say how to run', async () => {
    await using restored = await NACUE.restore(small, state, { numThreads: 1, device: 'cpu', nonFinite: 'reference' });
    await isGolden(restored);
    assert.equal((await restored.predict(new Float32Array(64).fill(Number.NaN))).length, 1);
  });

  it('takes options that repeat the state, and undefined ones', async () => {
    const { layers, mBins, alpha, oStar } = golden;
    await using restored = await NACUE.restore(small, state, {
      layers,
      mBins: layers.map(() => mBins),
      alpha,
      oStar,
      binning: 'geometric',
      preset: 'pytorch-ood',
      aggregation: 'sum',
      layerWeights: [1, 1, 1, 1],
      featureReduce: 'auto',
      inputShape: sampleShape,
      ...({ signal: undefined, output: undefined, device: undefined } as object),
    });
    await isGolden(restored);
    assert.deepEqual(await restored.toBuffer(), state);
  });

  it('takes an inputShape where the state has none', async () => {
    await using blind = await NACUE.create(small, { layers: ['fc', 'conv1'] });
    await blind.fit(fitBatches());
    await using restored = await NACUE.restore(small, await blind.toBuffer(), { inputShape: sampleShape });
    assert.equal((await restored.predict(new Float32Array(64))).length, 1);
    assert.equal(readStateFile(await restored.toBuffer()).metadata.input_shape, '[1, 8, 8]');
  });

  it('rejects with signal.reason when it is aborted', async () => {
    const reason = new Error('no longer wanted');
    const isReason = (error: unknown) => error === reason;
    await assert.rejects(NACUE.restore(small, state, { signal: AbortSignal.abort(reason) }), isReason);
    const controller = new AbortController();
    const restoring = NACUE.restore(small, state, { signal: controller.signal });
    setImmediate(() => controller.abort(reason));
    await assert.rejects(restoring, isReason);
  });
});

const sharedCopy = (bytes: Uint8Array) => {
  const view = new Uint8Array(new SharedArrayBuffer(bytes.length));
  view.set(bytes);
  return view;
};

describe('a state stores', () => {
  const image = [2, 3, 3];
  const layered = (options: Partial<NACUEOptions>): NACUEOptions => ({
    layers: ['conv1', 'layer1', 'avgpool', 'fc'],
    mBins: 8,
    ...options,
  });
  const tokens = (options: Partial<NACUEOptions>): NACUEOptions => ({
    layers: ['scale', 'tokens', 'fc'],
    inputShape: image,
    ...options,
  });
  const cases: [string, string, NACUEOptions][] = [
    ['preset openood', 'small.pt', layered({ preset: 'openood' })],
    ['openood bins with preset pytorch-ood', 'small.pt', layered({ binning: 'openood', mBins: [4, 8, 10, 50] })],
    ['geometric bins with preset openood', 'small.pt', layered({ preset: 'openood', binning: 'geometric' })],
    ['geometric bins, M odd', 'small.pt', layered({ mBins: 7 })],
    ['uniform bins', 'small.pt', layered({ binning: 'uniform' })],
    ['logit bins', 'small.pt', layered({ binning: 'logit' })],
    ['M per layer', 'small.pt', layered({ mBins: [2, 3, 50, 1001] })],
    [
      'alpha to the last digit',
      'small.pt',
      layered({ alpha: [0.1 + 0.2, 600.1234567890123, 1e-7, 12345678.901234567] }),
    ],
    ['the extremes of alpha', 'small.pt', layered({ alpha: [5e-324, 1e308, 1, 2 ** -40] })],
    ['O* per layer', 'small.pt', layered({ oStar: [1, 18, 1e9, Number.MAX_SAFE_INTEGER] })],
    ['aggregation and weights', 'small.pt', layered({ aggregation: 'mean', layerWeights: [0.1 + 0.2, 0, 1e-9, 3] })],
    ['reduces', 'small.pt', layered({ featureReduce: ['flatten', 'max-abs', 'sum', 'mean'] })],
    ['reduces of tokens', 'affine.pt', tokens({ featureReduce: ['channels-last', 'mean-tokens', 'auto'] })],
    ['the reduce of a class token', 'affine.pt', tokens({ featureReduce: ['auto', 'first-token', 'auto'] })],
    [
      'a reduce by a module',
      'affine.pt',
      tokens({ layers: ['tokens'], featureReduce: fixture('reduce_mean_tokens.pt') }),
    ],
    ['the layers in any order', 'small.pt', layered({ layers: ['fc', 'avgpool', 'conv1'] })],
    ['the output of a dict', 'dict_output.pt', { layers: ['conv1', 'fc'], output: 'logits' }],
    ['the other output of a dict', 'dict_output.pt', { layers: ['conv1'], output: 'features' }],
    ['the output of a tuple', 'tuple_output.pt', { layers: ['conv1'], output: 1, inputShape: sampleShape }],
    ['calls of a layer', 'repeated.pt', { layers: ['relu#2', 'relu#1'], inputShape: sampleShape }],
    ['elements of an output', 'recurrent.pt', { layers: ['rnn[0]'], inputShape: sampleShape }],
  ];
  for (const [name, model, options] of cases) {
    it(name, async () => {
      const sample = options.inputShape ?? sampleShape;
      await using original = await NACUE.create(fixture(model), options);
      await original.fit([randomRows(30, sample)]);
      await original.calibrate([randomRows(20, sample, 2)]);
      const state = await original.toBuffer();
      const reduces = [options.featureReduce ?? 'auto'].flat();
      const module = reduces.some((reduce) => reduce.endsWith('.pt')) ? { featureReduce: reduces } : {};
      await using restored = await NACUE.restore(fixture(model), copyOf(state), module);
      assert.deepEqual(await restored.toBuffer(), state);
      const batch = randomRows(9, sample, 3);
      assert.deepEqual(await restored.score(batch), await original.score(batch));
      assert.deepEqual(contentsOf(restored), contentsOf(original));
      await Promise.all([original, restored].map((detector) => detector.partialFit([batch])));
      assert.deepEqual(await restored.toBuffer(), await original.toBuffer());
    });
  }
});

describe('NACUE.restore with options that contradict the state', () => {
  expectNoWarnings();
  let state: Uint8Array;
  before(async () => {
    state = await goldenState();
  });
  const mismatch = (message: RegExp): Expected => ({ code: 'ERR_NACUE_STATE_MISMATCH', message });
  const cases: [string, RestoreOptions, RegExp][] = [
    [
      'fewer layers',
      { layers: ['conv1', 'layer1', 'avgpool'] },
      /layers 'conv1, .*fc', the detector 'conv1, layer1, avgpool'$/,
    ],
    ['another layer', { layers: ['conv1', 'layer1', 'avgpool', 'bn1'] }, /the detector 'conv1, layer1, avgpool, bn1'$/],
    ['another order of layers', { layers: ['fc', 'layer1', 'avgpool', 'conv1'] }, /the detector 'fc, layer1/],
    ['another mBins', { mBins: 13 }, /for layer 'conv1' mBins 12, the detector 13$/],
    ['another mBins of one layer', { mBins: [12, 12, 12, 14] }, /for layer 'fc' mBins 12, the detector 14$/],
    ['another alpha', { alpha: 100 }, /for layer 'conv1' alpha 600, the detector 100$/],
    [
      'an alpha of one bit more',
      { alpha: 600.0000000000001 },
      /for layer 'conv1' alpha 600, the detector 600\.0000000000001$/,
    ],
    ['another oStar', { oStar: [18, 18, 19, 18] }, /for layer 'avgpool' oStar 18, the detector 19$/],
    ['another binning', { binning: 'uniform' }, /binning 'geometric', the detector 'uniform'$/],
    ['another preset', { preset: 'openood' }, /preset 'pytorch-ood', the detector 'openood'$/],
    ['another aggregation', { aggregation: 'mean' }, /aggregation 'sum', the detector 'mean'$/],
    ['other weights', { layerWeights: [1, 1, 1, 2] }, /for layer 'fc' weight 1, the detector 2$/],
    ['another reduce', { featureReduce: 'max-abs' }, /for layer 'conv1' featureReduce 'auto', the detector 'max-abs'$/],
    ['another inputShape', { inputShape: [1, 9, 9] }, /inputShape \[1, 8, 8\], the detector \[1, 9, 9\]$/],
  ];
  for (const [name, options, message] of cases) {
    it(`refuses ${name}`, async () => {
      await rejectsWith(NACUE.restore(small, state, options), mismatch(message));
      await rejectsWith(NACUE.restore(small, state, { ...options, allowModelMismatch: true }), mismatch(message));
      await using restored = await NACUE.restore(small, state);
      await isGolden(restored);
    });
  }

  it('refuses an output where the model has one', () =>
    rejectsWith(NACUE.restore(small, state, { output: 0 }), {
      code: 'ERR_NACUE_LOGITS',
      message: /option output \(0\)/,
    }));

  it('refuses another output key', async () => {
    await using detector = await NACUE.create(fixture('dict_output.pt'), { layers: ['conv1'], output: 'logits' });
    await detector.fit(fitBatches());
    const bytes = await detector.toBuffer();
    const restoring = NACUE.restore(fixture('dict_output.pt'), bytes, { output: 'features' });
    await rejectsWith(restoring, mismatch(/output 'logits', the detector 'features'$/));
  });

  it('asks for the module of a reduce, and refuses another', async () => {
    const affine = fixture('affine.pt');
    const [reduce, other] = [fixture('reduce_mean_tokens.pt'), fixture('reduce_max_tokens.pt')];
    await using detector = await NACUE.create(affine, { layers: ['tokens'], featureReduce: reduce });
    await detector.fit([randomRows(4, [2, 3, 3])]);
    const bytes = await detector.toBuffer();
    await rejectsWith(
      NACUE.restore(affine, bytes),
      mismatch(/reduces layer 'tokens' with a module, SHA-256 [0-9a-f]{12}.*featureReduce$/),
    );
    await rejectsWith(
      NACUE.restore(affine, bytes, { featureReduce: 'mean' }),
      mismatch(/featureReduce 'module:[0-9a-f]{64}', the detector 'mean'$/),
    );
    await rejectsWith(
      NACUE.restore(affine, bytes, { featureReduce: other }),
      mismatch(/featureReduce 'module:[0-9a-f]{64}', the detector 'module:[0-9a-f]{64}'$/),
    );
    await using restored = await NACUE.restore(affine, bytes, { featureReduce: [reduce] });
    assert.deepEqual(await restored.toBuffer(), bytes);
  });

  it('refuses another file of the same model, unless that is allowed', async () => {
    const other = fixture('small_traced.pt');
    const hash = readStateFile(state).metadata.model_sha256 as string;
    await rejectsWith(
      NACUE.restore(other, state),
      mismatch(new RegExp(`SHA-256 ${hash.slice(0, 12)}\\.\\.\\..*allowModelMismatch`)),
    );
    await using restored = await NACUE.restore(other, state, { allowModelMismatch: true });
    await isGolden(restored);
    const again = readStateFile(await restored.toBuffer()).metadata.model_sha256;
    assert.notEqual(again, hash);
    await rejectsWith(NACUE.restore(other, state, { allowModelMismatch: false }), mismatch(/another model file/));
  });

  it('takes a state that does not know its model', async () => {
    await using restored = await NACUE.restore(
      fixture('small_traced.pt'),
      editMetadata(state, { model_sha256: undefined }),
    );
    await isGolden(restored);
  });

  describe('of a model with other neurons', () => {
    const other = fixture('one_class.pt'); // fc has 1 neuron, not 3; it is no classifier
    const allowed = { allowModelMismatch: true } as const;

    it('at restore where the shape of a sample is known', async () => {
      await using detector = await NACUE.create(fixture('slow.pt'), { layers: ['fc'], inputShape: sampleShape });
      await detector.fit([new Float32Array(64)]);
      const wide = await NACUE.create(fixture('affine.pt'), { layers: ['fc'], inputShape: [2, 3, 3] });
      await wide.fit([randomRows(3, [2, 3, 3])]);
      const bytes = editMetadata(await wide.toBuffer(), { input_shape: '[1, 8, 8]' });
      await wide.close();
      await rejectsWith(NACUE.restore(small, bytes, allowed), mismatch(/layer 'fc' has 3 neurons .* the fit has 4$/));
      await rejectsWith(
        NACUE.restore(small, editMetadata(bytes, { input_shape: undefined }), { ...allowed, inputShape: sampleShape }),
        mismatch(/layer 'fc' has 3 neurons .* the fit has 4$/),
      );
    });

    it('at the first batch where it is not; the detector can be fitted anew', async () => {
      await using wide = await NACUE.create(fixture('affine.pt'), { layers: ['fc'] });
      await wide.fit([randomRows(3, [2, 3, 3])]);
      await using restored = await NACUE.restore(small, await wide.toBuffer(), allowed);
      const expected = mismatch(/layer 'fc' has 3 neurons for this batch's shape, the fit has 4$/);
      for (let time = 0; time < 2; ++time) {
        await rejectsWith(restored.predict(scoreBatch()), expected);
        await rejectsWith(restored.score(scoreBatch()), expected);
        await rejectsWith(restored.calibrate([scoreBatch()]), expected);
        await rejectsWith(restored.partialFit([fitRows(0, 3)]), expected);
      }
      assert.equal(restored.samples, 3);
      await restored.fit(fitBatches());
      assert.equal((await restored.predict(scoreBatch())).length, 5);
    });

    it('whose layers run in another order, at once where inputShape is known, else at the first batch', async () => {
      const execution_order = '[1, 0, 2, 3]';
      await rejectsWith(
        NACUE.restore(small, editMetadata(state, { execution_order })),
        mismatch(/run in another order/),
      );
      const bytes = editMetadata(state, { execution_order, input_shape: undefined });
      await using restored = await NACUE.restore(small, bytes);
      await rejectsWith(restored.predict(scoreBatch()), mismatch(/run in another order/));
    });

    it('or is no classifier, with the code of the model', async () => {
      await rejectsWith(NACUE.restore(other, state, allowed), { code: 'ERR_NACUE_LOGITS', message: /C >= 2/ });
    });
  });

  it('refuses a layer that the model does not have', async () => {
    await rejectsWith(
      NACUE.restore(fixture('affine.pt'), editMetadata(state, { input_shape: undefined }), {
        allowModelMismatch: true,
      }),
      {
        code: 'ERR_NACUE_LAYER_NOT_FOUND',
        message: /'conv1'/,
      },
    );
  });

  it('refuses bins with other edges', async () => {
    const bytes = await goldenState({ binning: 'uniform' });
    await rejectsWith(
      NACUE.restore(small, editMetadata(bytes, { binning: 'logit' })),
      mismatch(/other bin edges for layer 'conv1' than 'logit' bins with M = 12$/),
    );
  });
});

describe('wrong arguments', () => {
  expectNoWarnings();
  let state: Uint8Array;
  before(async () => {
    state = await goldenState();
  });
  const type = (message: RegExp): Expected => ({ type: TypeError, code: 'ERR_NACUE_INVALID_ARG_TYPE', message });
  const range = (message: RegExp): Expected => ({ type: RangeError, code: 'ERR_NACUE_OUT_OF_RANGE', message });
  const neither = [
    undefined,
    null,
    5,
    true,
    {},
    ['a'],
    new Float32Array(4),
    new ArrayBuffer(8),
    new DataView(new ArrayBuffer(8)),
  ];

  it('of restore: model', async () => {
    for (const model of neither)
      await rejectsWith(NACUE.restore(model as string, state), type(/^model must be a path or a Uint8Array/));
    await rejectsWith(NACUE.restore('', state), range(/^model must be a path without NUL/));
  });

  it('of restore: state', async () => {
    for (const source of neither) {
      await rejectsWith(
        NACUE.restore(small, source as string),
        type(/^state must be a path or a Uint8Array, received /),
      );
    }
    for (const source of ['', 'a\0b'])
      await rejectsWith(NACUE.restore(small, source), range(/^state must be a path without NUL/));
  });

  it('of restore: options', async () => {
    for (const options of [null, 5, 'x']) {
      await rejectsWith(NACUE.restore(small, state, options as RestoreOptions), type(/^options must be an object/));
    }
    for (const name of ['allowModelMismatch', 'allowModeMismatch']) {
      for (const value of [1, 'yes', null]) {
        const options = { [name]: value } as unknown as RestoreOptions;
        await rejectsWith(NACUE.restore(small, state, options), type(new RegExp(`^${name} must be true or false`)));
      }
    }
    const wrong: [object, Expected][] = [
      [{ signal: 5 }, type(/^signal/)],
      [{ layers: 'conv1' }, type(/^layers must be/)],
      [{ mBins: '12' }, type(/^mBins/)],
      [{ mBins: [12] }, range(/^mBins must be one number, or one per layer \(4\)/)],
      [{ alpha: -1 }, range(/^alpha/)],
      [{ binning: 'none' }, range(/^binning/)],
      [{ precision: 'bfloat16' }, range(/^precision must be 'float32' with mode 'parity'/)],
      [{ allowModelMissmatch: true }, range(/^options must be an object with the keys .*"allowModelMissmatch"/)],
    ];
    for (const [options, expected] of wrong)
      await rejectsWith(NACUE.restore(small, state, options as RestoreOptions), expected);
  });

  it('of save: path', async () => {
    await using detector = await goldenDetector();
    for (const file of [...neither, Buffer.from('a')]) {
      await rejectsWith(detector.save(file as string), type(/^path must be a path, received /));
    }
    for (const file of ['', 'a\0b']) await rejectsWith(detector.save(file), range(/^path must be a path without NUL/));
  });
});

describe('the errors of states', () => {
  it('are documented', async () => {
    const { errorCodes } = await import('nacue');
    const page = fs.readFileSync(path.join(__dirname, '..', 'docs', 'state-format.md'), 'utf8');
    const codes = (Object.keys(errorCodes) as NacueErrorCode[]).filter((code) => /_STATE_(?!WRITE)/.test(code));
    for (const code of codes) assert.ok(page.includes(`\`${code}\``), `${code} is not in docs/state-format.md`);
  });
});
