/** Modes, precisions, chunks: what they change in scores, plan and state, and what they must not. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { NACUE, type NACUEOptions, type Precision, type RestoreOptions, type ShapedBatch, tune } from 'nacue';
import { type Expected, rejectsWith, throwsWith } from './failures.js';
import { fitBatches, fixture, goldenOptions, randomBatch, sampleShape, scoreBatch } from './fixtures.js';
import { editMetadata, readStateFile } from './state-mutation/state-file.js';
import { bitsOf, expectNoWarnings, goldenDetector, goldenState, rowsOf } from './states.js';
import { affineSample, sampleSets } from './tune-cases.js';

const small = fixture('small.pt');
const pictures = [3, 16, 16];

interface Fixture {
  model: string;
  options: NACUEOptions;
}

/** Models that end in a linear layer on (B, C). */
const fixtures: Record<string, Fixture> = {
  scripted: { model: small, options: goldenOptions() },
  traced: { model: fixture('small_traced.pt'), options: goldenOptions() },
  ResNet: {
    model: fixture('tiny_resnet.pt'),
    options: { layers: ['layer1', 'layer2', 'layer3', 'avgpool'], inputShape: pictures, alpha: 1000, oStar: 10 },
  },
  ViT: {
    model: fixture('tiny_vit.pt'),
    options: { layers: ['conv_proj', 'encoder.ln'], inputShape: pictures, alpha: 1000, oStar: 10 },
  },
  'ResNet with preset openood': {
    model: fixture('tiny_resnet.pt'),
    options: { layers: ['layer3', 'avgpool'], inputShape: pictures, preset: 'openood' },
  },
};

const sampleOf = ({ options }: Fixture) => options.inputShape as readonly number[];

/** Everything that a batch gives, each as a hash of its bits. */
async function resultsOf(detector: NACUE, batch: ShapedBatch): Promise<Record<string, string>> {
  const { scores, layerScores, logits, explanation = [] } = await detector.score(batch, { explain: 3 });
  const q = (await detector.contributions(batch)).map(({ layer, data }) => [`q of ${layer}`, bitsOf(data)]);
  const results: Record<string, string> = {
    scores: bitsOf(scores),
    predicted: bitsOf(await detector.predict(batch)),
    layerScores: bitsOf(layerScores.data),
    logits: bitsOf(logits.data),
    ...Object.fromEntries(q),
    explanation: explanation.map(({ neurons, bins, cost }) => `${neurons} ${bins} ${bitsOf(cost)}`).join(),
  };
  for (const name in results)
    results[name] = createHash('sha256')
      .update(results[name] as string)
      .digest('hex')
      .slice(0, 16);
  return results;
}

const mismatch = (message: RegExp): Expected => ({ code: 'ERR_NACUE_STATE_MISMATCH', message });
const metadataOf = async (detector: NACUE) => readStateFile(await detector.toBuffer()).metadata;

describe("mode 'fast'", () => {
  expectNoWarnings();

  /** The root mean square of the difference over that of the values. */
  function deviation(values: Float32Array, exact: Float32Array): number {
    const squares = (numbers: Float32Array) => numbers.reduce((sum, number) => sum + number * number, 0);
    return Math.sqrt(squares(values.map((value, i) => value - (exact[i] as number))) / squares(exact));
  }
  const distance = (a: Float32Array, b: Float32Array) =>
    a.reduce((sum, value, i) => sum + Math.abs(value - (b[i] as number)), 0) / a.length;

  /** The most that logits and contributions may deviate, and scores on average, as a share of how much they differ among samples. */
  const bounds = { float32: { logits: 1e-6, q: 1e-5, scores: 0.01 }, bfloat16: { logits: 0.02, q: 0.1, scores: 0.3 } };

  for (const [name, { model, options }] of Object.entries(fixtures)) {
    for (const precision of ['float32', 'bfloat16'] as const) {
      it(`scores close to parity: ${name}, ${precision}`, async () => {
        await using exact = await NACUE.create(model, options);
        await using fast = await NACUE.create(model, { ...options, mode: 'fast', precision });
        const sample = options.inputShape as readonly number[];
        const [training, batch] = [randomBatch(200, sample, 1), randomBatch(50, sample, 2)];
        await Promise.all([exact.fit([training]), fast.fit([training])]);
        const [wanted, got] = [await exact.score(batch), await fast.score(batch)];
        const bound = bounds[precision];
        const logits = deviation(got.logits.data, wanted.logits.data);
        assert.ok(logits <= bound.logits, `logits deviate by ${logits}`);
        assert.equal(logits > 1e-4, precision === 'bfloat16', `the model did not run in ${precision}: ${logits}`);
        const [q, exactQ] = [await fast.contributions(batch), await exact.contributions(batch)];
        for (const [i, { layer, data }] of q.entries()) {
          const off = deviation(data, (exactQ[i] as (typeof exactQ)[number]).data);
          assert.ok(off <= bound.q, `contributions of ${layer} deviate by ${off}`);
        }
        const off = distance(got.scores, wanted.scores) / distance(wanted.scores, wanted.scores.toReversed());
        assert.ok(off <= bound.scores, `scores deviate by ${off}`);
      });
    }
  }

  it('says in detector.plan what it does, also after close()', async () => {
    for (const model of ['small.pt', 'small_traced.pt']) {
      const detector = await NACUE.create(fixture(model), { ...goldenOptions(), mode: 'fast', precision: 'float32' });
      const plan = {
        mode: 'fast',
        precision: 'float32',
        memoryFormat: 'channels-last',
        frozen: true,
        foldedBatchNorms: 1, // bn1 follows conv1, which is watched
        chunkSize: undefined,
      };
      assert.deepEqual(detector.plan, plan, model);
      await detector.fit(fitBatches());
      assert.deepEqual(detector.plan, plan, model);
      await detector.close();
      assert.deepEqual(detector.plan, plan, model);
      await using pooled = await NACUE.create(fixture(model), { layers: ['avgpool'], mode: 'fast' });
      assert.equal(pooled.plan.foldedBatchNorms, 2, model);
    }
  });

  it('chooses a precision where none is asked for', async () => {
    await using detector = await NACUE.create(small, { ...goldenOptions(), mode: 'fast' });
    assert.ok(['float32', 'bfloat16'].includes(detector.plan.precision));
    await detector.fit(fitBatches());
    assert.equal((await metadataOf(detector)).precision, detector.plan.precision);
  });

  it("takes precision 'float32' in parity mode as what it is", async () => {
    await using detector = await goldenDetector({ mode: 'parity', precision: 'float32' });
    assert.deepEqual(await detector.toBuffer(), await goldenState());
  });

  it('gives the same bits each time', async () => {
    const { model, options } = fixtures.ResNet as Fixture;
    await using detector = await NACUE.create(model, { ...options, mode: 'fast' });
    const batch = randomBatch(20, pictures);
    await detector.fit([batch]);
    assert.deepEqual(await resultsOf(detector, batch), await resultsOf(detector, batch));
  });
});

describe('a state of the fast mode', () => {
  expectNoWarnings();
  const fast = (precision: Precision): Partial<NACUEOptions> => ({ mode: 'fast', precision });
  let float32: Uint8Array;
  let bfloat16: Uint8Array;
  let parity: Uint8Array;
  before(async () => {
    float32 = await goldenState(fast('float32'));
    bfloat16 = await goldenState(fast('bfloat16'));
    parity = await goldenState();
  });

  it('names mode and precision; one of the parity mode names neither', () => {
    const keys = (state: Uint8Array) => {
      const { mode, precision } = readStateFile(state).metadata;
      return [mode, precision];
    };
    assert.deepEqual(keys(float32), ['fast', 'float32']);
    assert.deepEqual(keys(bfloat16), ['fast', 'bfloat16']);
    assert.deepEqual(
      Object.keys(readStateFile(parity).metadata).filter((key) => /mode$|precision/.test(key)),
      [],
    );
  });

  for (const precision of ['float32', 'bfloat16'] as const) {
    it(`comes back as it was: ${precision}`, async () => {
      await using detector = await goldenDetector(fast(precision));
      await detector.calibrate([scoreBatch()]);
      const state = await detector.toBuffer();
      await using restored = await NACUE.restore(small, state);
      assert.deepEqual(restored.plan, detector.plan);
      assert.deepEqual(await restored.toBuffer(), state);
      assert.deepEqual(await resultsOf(restored, scoreBatch()), await resultsOf(detector, scoreBatch()));
      await using repeated = await NACUE.restore(small, state, fast(precision));
      assert.deepEqual(repeated.plan, detector.plan);
      await using asFast = await NACUE.restore(small, state, { mode: 'fast' });
      assert.deepEqual(asFast.plan, detector.plan);
    });
  }

  const cases: [string, () => Uint8Array, RestoreOptions, RegExp][] = [
    [
      'fast as parity',
      () => float32,
      { mode: 'parity' },
      /^the state has mode 'fast', the detector 'parity'; allowMode/,
    ],
    [
      'parity as fast',
      () => parity,
      { mode: 'fast' },
      /^the state has mode 'parity', the detector 'fast'; allowModeMis/,
    ],
    [
      'bfloat16 as float32',
      () => bfloat16,
      { precision: 'float32' },
      /^the state has precision 'bfloat16', the detector 'float32'; allowModeMismatch takes it all the same$/,
    ],
    [
      'float32 as bfloat16',
      () => float32,
      fast('bfloat16'),
      /^the state has precision 'float32', the detector 'bfloat16'/,
    ],
  ];
  for (const [name, stateOf, options, message] of cases) {
    it(`is refused with other ones, unless that is allowed: ${name}`, async () => {
      const state = stateOf();
      await rejectsWith(NACUE.restore(small, state, options), mismatch(message));
      await rejectsWith(NACUE.restore(small, state, { ...options, allowModeMismatch: false }), mismatch(message));
      await rejectsWith(NACUE.restore(small, state, { ...options, allowModelMismatch: true }), mismatch(message));
      await using restored = await NACUE.restore(small, state, { ...options, allowModeMismatch: true });
      await using own = await goldenDetector(restored.plan.mode === 'fast' ? fast(restored.plan.precision) : {});
      assert.deepEqual(restored.plan, own.plan);
      await using fitted = await NACUE.restore(small, state);
      assert.deepEqual(restored.counts('conv1'), fitted.counts('conv1'));
      assert.equal(
        bitsOf((await restored.score(scoreBatch())).logits.data),
        bitsOf((await own.score(scoreBatch())).logits.data),
      );
      const [saved, ownKeys] = [await metadataOf(restored), await metadataOf(own)];
      assert.deepEqual([saved.mode, saved.precision], [ownKeys.mode, ownKeys.precision]);
      await restored.partialFit(fitBatches());
      assert.equal(restored.samples, 40);
    });
  }

  it('with allowModeMismatch alone keeps the mode of the state', async () => {
    await using restored = await NACUE.restore(small, float32, { allowModeMismatch: true });
    assert.deepEqual([restored.plan.mode, restored.plan.precision], ['fast', 'float32']);
    assert.deepEqual(await restored.toBuffer(), float32);
  });

  it('of tf32 asks for CUDA or for another precision', async () => {
    const state = editMetadata(float32, { precision: 'tf32' });
    const refused = mismatch(/^the state has precision 'tf32', which needs a CUDA device: give one, or another/);
    await rejectsWith(NACUE.restore(small, state), refused);
    await rejectsWith(NACUE.restore(small, state, { device: 'cpu', allowModeMismatch: true }), refused);
    const asked = { precision: 'float32' } as const;
    await rejectsWith(
      NACUE.restore(small, state, asked),
      mismatch(/^the state has precision 'tf32', the detector 'fl/),
    );
    await using restored = await NACUE.restore(small, state, { ...asked, allowModeMismatch: true });
    assert.equal(restored.plan.precision, 'float32');
    await using exact = await NACUE.restore(small, state, { mode: 'parity', allowModeMismatch: true });
    assert.equal(exact.plan.mode, 'parity');
  });

  it('is merged with states of the same mode and precision only', async () => {
    await using detector = await goldenDetector(fast('float32'));
    await detector.fit([...fitBatches(), ...fitBatches()]);
    assert.deepEqual(NACUE.merge([float32, float32]), await detector.toBuffer());
    throwsWith(() => NACUE.merge([parity, float32]), mismatch(/^state 2 of 2 .*: mode is 'fast', not 'parity'$/));
    throwsWith(() => NACUE.merge([float32, parity]), mismatch(/: mode is 'parity', not 'fast'$/));
    throwsWith(() => NACUE.merge([float32, bfloat16]), mismatch(/: precision is 'bfloat16', not 'float32'$/));
  });
});

describe('chunkSize', () => {
  expectNoWarnings();
  const count = 23;

  for (const [name, fixed] of Object.entries(fixtures)) {
    for (const numThreads of [1, 2]) {
      for (const chunkSize of [1, 2, 3, 7, count - 1, count, 1000, 'auto'] as const) {
        it(`${chunkSize} changes no bit in parity mode: ${name}, threads: ${numThreads}`, async () => {
          const { model, options } = fixed;
          const [training, batch] = [randomBatch(count, sampleOf(fixed), 5), randomBatch(count, sampleOf(fixed), 6)];
          await using whole = await NACUE.create(model, { ...options, numThreads });
          await using parts = await NACUE.create(model, { ...options, numThreads, chunkSize });
          for (const detector of [whole, parts]) {
            await detector.fit([training]);
            await detector.calibrate([batch]);
          }
          for (const rows of [batch, rowsOf(batch, 0, 1), rowsOf(batch, 1, 3)])
            assert.deepEqual(await resultsOf(parts, rows), await resultsOf(whole, rows), `of ${rows.shape[0]} samples`);
          assert.ok(Buffer.from(await parts.toBuffer()).equals(await whole.toBuffer()), 'another state');
          assert.equal((await parts.predict({ data: new Float32Array(), shape: [0, ...sampleOf(fixed)] })).length, 0);
        });
      }
    }
  }

  it('is in use as detector.plan says', async () => {
    await using parts = await goldenDetector({ chunkSize: 4, numThreads: 1 });
    assert.equal(parts.plan.chunkSize, 4);
    await using whole = await goldenDetector();
    assert.equal(whole.plan.chunkSize, undefined);
  });

  it("'auto' measures with the first batch and keeps to memoryLimit", async () => {
    const { model, options } = fixtures.ResNet as Fixture;
    const batch = randomBatch(6000, pictures);
    await using whole = await NACUE.create(model, options);
    await using limited = await NACUE.create(model, { ...options, chunkSize: 'auto', memoryLimit: 2 ** 25 });
    await using standard = await NACUE.create(model, { ...options, chunkSize: 'auto' });
    assert.deepEqual([limited.plan.chunkSize, standard.plan.chunkSize], [undefined, undefined]);
    for (const detector of [whole, limited, standard]) await detector.fit([batch]);
    const [most, least] = [standard.plan.chunkSize, limited.plan.chunkSize];
    assert.ok(least !== undefined && least >= 1 && least < 6000, `${least}`);
    assert.ok(most !== undefined && most > least, `${most}`);
    assert.deepEqual(await limited.toBuffer(), await whole.toBuffer());
    assert.equal(bitsOf(await limited.predict(batch)), bitsOf(await whole.predict(batch)));
  });

  it('is no part of a state, and can be asked for at restore', async () => {
    const state = await goldenState({ chunkSize: 2, mode: 'fast', precision: 'float32' });
    await using whole = await NACUE.restore(small, state);
    assert.equal(whole.plan.chunkSize, undefined);
    await using parts = await NACUE.restore(small, state, { chunkSize: 2, numThreads: 1 });
    assert.deepEqual([parts.plan.chunkSize, parts.plan.mode], [2, 'fast']);
    const scores = await whole.predict(scoreBatch());
    for (const [i, score] of (await parts.predict(scoreBatch())).entries())
      assert.ok(Math.abs(score - (scores[i] as number)) < 0.1);
  });

  it('names the rows of the batch, not of its part, that are not finite', async () => {
    const options = { layers: ['conv1'], inputShape: sampleShape, chunkSize: 2 };
    await using detector = await NACUE.create(fixture('overflowing.pt'), options);
    const data = new Float32Array(7 * 64).fill(200, 3 * 64, 4 * 64).fill(200, 6 * 64);
    await rejectsWith(detector.fit([data]), {
      code: 'ERR_NACUE_NON_FINITE',
      message: /logits.* in 2 of 7 rows: 3, 6$/,
    });
    assert.equal(detector.fitted, false);
  });

  it('and the mode are those of the detector that tune() returns', async () => {
    const options: NACUEOptions = { layers: ['tokens', 'fc'], inputShape: affineSample, numThreads: 1 };
    const { fit, id, ood } = sampleSets();
    const grid = { mBins: [10], alpha: [1, 100], oStar: [5] };
    for (const asked of [{ chunkSize: 3 }, { mode: 'fast', precision: 'float32', chunkSize: 3 }] as const) {
      await using detector = await NACUE.create(fixture('affine.pt'), { ...options, ...asked });
      const tuning = await tune({ detector, fit, id, ood, grid });
      await using tuned = tuning.detector;
      assert.deepEqual(tuned.plan, { ...detector.plan, chunkSize: tuned.plan.chunkSize });
      assert.equal(tuned.plan.chunkSize, 3);
    }
  });
});
