import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import {
  type Binning,
  NACUE,
  type NACUEOptions,
  type ShapedBatch,
  type TunedCandidate,
  type TuneMetric,
  type TuneOptions,
  type TuneProgress,
  type Tuning,
  tune,
} from 'nacue';
import { optionNames } from '../lib/tune-options.js';
import { type Expected, rejectsWith } from './failures.js';
import { fixture } from './fixtures.js';
import { repeats } from './repeats.js';
import {
  affineSample,
  batches,
  confirm,
  foundBy,
  freshState,
  isHeldBack,
  product,
  type SampleSets,
  sampleSets,
  tiedSets,
} from './tune-cases.js';

const wrongType = (message: RegExp): Expected => ({ type: TypeError, code: 'ERR_NACUE_INVALID_ARG_TYPE', message });
const outOfRange = (message: RegExp): Expected => ({ type: RangeError, code: 'ERR_NACUE_OUT_OF_RANGE', message });
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const base = (options: Partial<NACUEOptions> = {}): NACUEOptions => ({
  layers: ['scale', 'fc'],
  mBins: 10,
  alpha: 100,
  oStar: 3,
  inputShape: affineSample,
  numThreads: 1,
  ...options,
});
const create = (options: Partial<NACUEOptions> = {}, model = 'affine.pt') =>
  NACUE.create(fixture(model), base(options));

/** Runs a search and closes the detector that it makes. */
async function search(options: TuneOptions): Promise<Tuning> {
  const tuning = await tune(options);
  await tuning.detector.close();
  return tuning;
}

const keyOf = ({ options }: TunedCandidate) => JSON.stringify(options);

describe('tune', () => {
  let detector: NACUE;
  beforeEach(async () => {
    detector = await create();
  });
  afterEach(() => detector.close());

  describe('gives what detectors made anew give', () => {
    const all: Binning[] = ['geometric', 'uniform', 'logit', 'openood'];
    interface Case {
      title: string;
      options?: Partial<NACUEOptions>;
      model?: string;
      sets?: SampleSets;
      ask: Pick<TuneOptions, 'grid'> & { metric: TuneMetric; heldBack: number };
      scored: number;
    }
    const cases: Case[] = [
      {
        title: 'with all bin rules and every subset, by AUROC',
        ask: { grid: { binning: all, mBins: [4], alpha: [1000] }, metric: 'auroc', heldBack: 0.5 },
        scored: 4 * (4 * 4 + 4 + 4),
      },
      {
        title: 'with preset openood, by FPR@95TPR',
        options: { preset: 'openood' },
        ask: { grid: { alpha: [4, 30], oStar: [15], subsets: false }, metric: 'fpr95', heldBack: 0.25 },
        scored: 6 * 6,
      },
      {
        title: 'with preset openood, sums, weights and all bin rules, by AUPR-OUT',
        options: { preset: 'openood', aggregation: 'sum', layerWeights: [0.3, 2] },
        ask: { grid: { binning: all, mBins: [20] }, metric: 'auprOut', heldBack: 0.5 },
        scored: 4 * (2 * 2 + 2 + 2),
      },
      {
        title: 'with averaged layers, by AUPR-IN, nothing held back',
        options: { layers: ['scale', 'tokens', 'fc'], aggregation: 'mean' },
        ask: { grid: { oStar: [1, 6] }, metric: 'auprIn', heldBack: 0 },
        scored: 4 ** 3 - 1,
      },
      {
        title: 'with averages by weights, one of them 0, and reduces',
        options: {
          layers: ['scale', 'tokens', 'fc'],
          aggregation: 'mean',
          layerWeights: [0, 1, 0.25],
          featureReduce: ['max-abs', 'mean-tokens', 'auto'],
          binning: 'uniform',
        },
        ask: { grid: { layers: { tokens: { alpha: [2000] } } }, metric: 'auroc', heldBack: 0.9 },
        // 1, 2 and 1 candidates; the first layer alone always scores 0
        scored: 2 + 2 + 1 + 2 + 2 + 1,
      },
      {
        title: 'with layers in another order than they run in, and a list of subsets',
        options: { layers: ['fc', 'tokens', 'scale'], layerWeights: [2, 1, 1] },
        ask: { grid: { mBins: [3], subsets: [['scale', 'tokens'], ['fc']] }, metric: 'auroc', heldBack: 0.5 },
        scored: 8 + 4 + 2,
      },
      {
        title: 'with addresses of calls and elements',
        options: { layers: ['relu#2', 'relu#1'], mBins: 20, alpha: 10_000, inputShape: [1, 8, 8] },
        model: 'repeated.pt',
        sets: sampleSets([1, 8, 8]),
        ask: { grid: { alpha: [1e6], oStar: [1] }, metric: 'auroc', heldBack: 0.5 },
        scored: 4 * 4 + 4 + 4,
      },
      ...(['auroc', 'auprIn', 'auprOut', 'fpr95'] as const).map((metric, i) => ({
        title: `with scores that tie, by ${metric}`,
        options: { layers: ['tokens'] },
        sets: tiedSets(i + 11),
        ask: { grid: { mBins: [4, 20], alpha: [30, 2000], oStar: [1, 7] }, metric, heldBack: 0.5 },
        scored: 27,
      })),
    ];

    for (const { title, options, model = 'affine.pt', sets = sampleSets(), ask, scored } of cases) {
      it(title, async () => {
        await using own = await create(options, model);
        const tuning = await tune({ detector: own, ...sets, ...ask, rankingLength: 1000 });
        assert.deepEqual([tuning.scored, tuning.ranking.length, tuning.exhaustive], [scored, scored, true]);
        assert.equal(new Set(tuning.ranking.map(keyOf)).size, scored);
        assert.ok(new Set(tuning.ranking.map(({ value }) => value)).size >= 2, 'values differ');
        const everySo = repeats(1, 4);
        for (const candidate of tuning.ranking.filter((_, i) => i % everySo === 0))
          await confirm(candidate, model, base(options), sets, { metric: ask.metric, share: ask.heldBack });
        await confirm(tuning.own, model, base(options), sets, { metric: ask.metric, share: ask.heldBack });
        const expected = await freshState(tuning.best.options, model, base(options), sets.fit);
        assert.deepEqual(Buffer.from(await tuning.detector.toBuffer()), Buffer.from(expected));
        await tuning.detector.close();
      });
    }
  });

  it('tries every combination of M, alpha, O*, layers and bin rules once', async () => {
    const grid = { mBins: [4, 10], alpha: [1], oStar: [5, 7], binning: ['uniform', 'logit'] as const };
    const { ranking } = await search({ detector, ...sampleSets(), grid, rankingLength: 10_000 });
    const single = product([
      [10, 4],
      [100, 1],
      [3, 5, 7],
    ]);
    const expected = ['geometric', 'uniform', 'logit'].flatMap((binning) =>
      [['scale', 'fc'], ['scale'], ['fc']].flatMap((layers) =>
        product(layers.map(() => single)).map((choice) => JSON.stringify([binning, layers, choice])),
      ),
    );
    const tried = ranking.map(({ options: { binning, layers, mBins, alpha, oStar } }) => {
      const at = (values: unknown, i: number) => (values as number[])[i];
      return JSON.stringify([binning, layers, layers.map((_, i) => [at(mBins, i), at(alpha, i), at(oStar, i)])]);
    });
    assert.deepEqual(tried.sort(), expected.sort());
  });

  it('tries M, alpha and O* over wide ranges when no grid is given', async () => {
    const { ranking, scored } = await search({ detector, ...sampleSets(), rankingLength: 100_000 });
    const values = (key: 'mBins' | 'alpha' | 'oStar') =>
      [...new Set(ranking.flatMap(({ options }) => options[key] as number[]))].sort((a, b) => a - b);
    assert.deepEqual(values('mBins'), [10, 20, 50, 200]);
    assert.deepEqual(values('alpha'), [0.001, 0.01, 0.1, 1, 10, 100, 1000, 10_000]);
    assert.deepEqual(values('oStar'), [3, 5, 10, 50, 100]);
    assert.ok(scored > 10_000 && scored <= 20_000, `${scored}`);
  });

  describe('ranks', () => {
    it('the best first, the same in every run', async () => {
      const options = { detector, ...sampleSets(), grid: { alpha: [1, 10, 1000], oStar: [1, 2] } };
      const [first, again] = [await search(options), await search(options)];
      assert.deepEqual(foundBy(again), foundBy(first));
      const values = first.ranking.map(({ value }) => value);
      assert.deepEqual(
        values,
        values.toSorted((a, b) => b - a),
      );
      const worse = (await search({ ...options, metric: 'fpr95' })).ranking.map(({ value }) => value);
      assert.deepEqual(
        worse,
        worse.toSorted((a, b) => a - b),
      );
    });

    it('its own options before equal ones, then those with fewer layers', async () => {
      // Nothing is told apart: the OOD samples are the ID samples.
      const { fit, id } = sampleSets();
      const { ranking, best, own } = await search({ detector, fit, id, ood: id, grid: { oStar: [1] }, heldBack: 0 });
      assert.deepEqual([...new Set(ranking.map(({ value }) => value))], [0.5]);
      assert.deepEqual(ranking[0], own);
      assert.deepEqual(best, own);
      assert.deepEqual(
        ranking.slice(1).map(({ options }) => options.layers.length),
        [1, 1, 1, 1, 2, 2, 2],
      );
    });

    it('as many as asked for', async () => {
      const options = { detector, ...sampleSets(), grid: { alpha: [1, 10], oStar: [1, 2] } };
      const all = await search({ ...options, rankingLength: 1000 });
      const three = await search({ ...options, rankingLength: 3 });
      assert.deepEqual(three.ranking, all.ranking.slice(0, 3));
      assert.deepEqual(three.own, all.own);
      assert.equal(three.scored, all.scored);
    });
  });

  describe('with more combinations than it may score', () => {
    const grid = { mBins: [4, 20, 50], alpha: [0.1, 1, 10, 1000], oStar: [1, 5, 20], binning: ['logit'] as const };
    for (const maxCandidates of [1, 2, 3, 17, 500]) {
      it(`scores no more than ${maxCandidates}, and always its own options`, async () => {
        const tuning = await search({ detector, ...sampleSets(), grid, maxCandidates, rankingLength: 1000 });
        assert.ok(tuning.scored <= maxCandidates, `${tuning.scored}`);
        assert.equal(tuning.ranking.length, tuning.scored);
        assert.equal(new Set(tuning.ranking.map(keyOf)).size, tuning.scored);
        assert.equal(tuning.exhaustive, false);
        const same = tuning.ranking.find((candidate) => keyOf(candidate) === keyOf(tuning.own));
        assert.deepEqual(same, tuning.own);
        const { mBins, alpha, oStar, binning } = tuning.own.options;
        assert.deepEqual([mBins, alpha, oStar, binning], [[10, 10], [100, 100], [3, 3], 'geometric']);
      });
    }

    it('ends where no other candidate of one layer is better', async () => {
      const options = { detector, ...sampleSets(), grid: { ...grid, binning: ['geometric'] as const } };
      const all = await search({ ...options, rankingLength: 100_000, maxCandidates: 100_000 });
      const some = await search({ ...options, maxCandidates: 1500 });
      const best = some.ranking[0] as TunedCandidate;
      const of = ({ options: { layers, mBins, alpha, oStar } }: TunedCandidate, layer: string) => {
        const i = layers.indexOf(layer);
        return i < 0 ? '' : [mBins, alpha, oStar].map((values) => (values as number[])[i]).join(' ');
      };
      const neighbours = all.ranking.filter(
        (other) => ['scale', 'fc'].filter((layer) => of(other, layer) !== of(best, layer)).length <= 1,
      );
      assert.ok(all.exhaustive && !some.exhaustive);
      assert.ok(neighbours.length > 100);
      assert.ok(neighbours.every(({ value }) => value <= best.value));
    });

    it('finds the best candidate of a single layer', async () => {
      await using one = await create({ layers: ['tokens'] });
      const options = {
        detector: one,
        ...sampleSets(),
        grid: { mBins: grid.mBins, alpha: grid.alpha, oStar: grid.oStar },
      };
      const all = await search(options);
      const some = await search({ ...options, maxCandidates: 4 });
      assert.deepEqual(some.ranking[0], all.ranking[0]);
    });
  });

  describe('held-back samples', () => {
    /** A search that sees every other OOD sample: those are scaled by `seen`, those held back by `heldBack`. */
    const searchWith = (own: NACUE, [seen, heldBack]: [number, number], ask: Pick<TuneOptions, 'grid' | 'metric'>) => {
      const held = batches(24, heldBack, 91, 1);
      const ood = batches(24, seen, 51, 1).map((batch, i) => (isHeldBack(i, 0.5) ? (held[i] as ShapedBatch) : batch));
      return search({ detector: own, fit: batches(60, 2, 1), id: batches(24, 2, 1), ood, ...ask });
    };
    /** Asserts that the own options are kept; how far the first of the ranking is from them, on what was seen and held back. */
    const checkKept = (found: Tuning) => {
      const { own, best, overfitted, ranking } = found;
      const [{ value, heldBack }] = ranking as [TunedCandidate];
      assert.ok(overfitted);
      assert.deepEqual(best, own);
      assert.match(`${found}`, /over-fitted, own options are kept/);
      return [value - own.value, (heldBack as number) - (own.heldBack as number)] as const;
    };

    it('decide against what is worse there than the own options', async () => {
      const found = await searchWith(detector, [4, 1], { grid: { alpha: [1, 10, 1000], oStar: [1, 10] } });
      const [seen, heldBack] = checkKept(found);
      assert.ok(seen > 0 && heldBack < 0, `${found}`);
    });

    it('decide so by FPR@95TPR too, the smaller, the better', async () => {
      await using own = await create({ preset: 'openood', alpha: 4, oStar: 15 });
      const grid = { mBins: [4, 20, 50], alpha: [0.1, 1, 10, 1000], oStar: [1, 10, 30] };
      const found = await searchWith(own, [1, 8], { grid, metric: 'fpr95' });
      const [seen, heldBack] = checkKept(found);
      assert.ok(seen < 0 && heldBack > 0, `${found}`);
    });

    it('are at least as well told apart by the best as by the own options, on the demo', async function () {
      this.timeout(60_000);
      const { batchesOf, loadDemoData, imageShape } = await import('../examples/demo/data.mjs' as string);
      const { fit, heldOut, outOfDistribution } = loadDemoData();
      const model = path.join(__dirname, '..', 'examples', 'demo', 'model.pt');
      const layers = ['layer1', 'layer2', 'layer3', 'avgpool'];
      await using demo = await NACUE.create(model, { layers, oStar: 5, inputShape: imageShape });
      const first = (images: Float32Array, count: number) => batchesOf(images.subarray(0, 784 * count));
      const tuning = await search({
        detector: demo,
        fit: first(fit, 500),
        id: first(heldOut, 400),
        ood: { noise: first(outOfDistribution.noise, 200), digits: first(outOfDistribution['digits6-9'], 400) },
        maxCandidates: 3000,
      });
      assert.equal(tuning.overfitted, false);
      assert.ok(tuning.best.value > tuning.own.value + 0.005, `${tuning}`);
      assert.ok((tuning.best.heldBack as number) > (tuning.own.heldBack as number) + 0.005, `${tuning}`);
      assert.match(
        `${tuning}`,
        /^\d+ combinations scored \(the best candidates.*\n +auroc +held back +bins +layer: M \/ alpha/,
      );
      assert.match(`${tuning}`, /\n10 .*\nown .*\nChosen: the first\.$/);
    });
  });

  describe('leaves the detector', () => {
    it('as it was, fitted and calibrated', async () => {
      const { fit, id, ood } = sampleSets();
      await detector.fit(fit);
      await detector.calibrate(id);
      const [before, threshold] = [await detector.toBuffer(), detector.threshold];
      await search({ detector, fit: ood.loud, id, ood, grid: { alpha: [1], oStar: [9] } });
      assert.deepEqual(await detector.toBuffer(), before);
      assert.equal(detector.threshold, threshold);
    });

    it('free for other calls, whose results it does not touch', async () => {
      const { fit, ood, id } = sampleSets();
      const expected = await search({ detector, fit, id, ood, grid: { alpha: [1], oStar: [9] } });
      const running = search({ detector, fit, id, ood, grid: { alpha: [1], oStar: [9] } });
      const also = search({ detector, fit, id, ood, grid: { alpha: [1], oStar: [9] } });
      await detector.fit(ood.loud);
      const scores = await detector.predict(ood.faint[0] as ShapedBatch);
      await detector.setOStar(1);
      assert.deepEqual(foundBy(await running), foundBy(expected));
      assert.deepEqual(foundBy(await also), foundBy(expected));
      await using other = await create();
      await other.fit(ood.loud);
      assert.deepEqual(await other.predict(ood.faint[0] as ShapedBatch), scores);
    });
  });

  it('lets the producer reuse one buffer, also while a fit makes it wait', async () => {
    const sets = sampleSets();
    const options = { detector, ...sets, grid: { alpha: [1] } };
    const expected = await search(options);
    const reusing = function* (set: ShapedBatch[]) {
      const buffer = new Float32Array(7 * 18);
      for (const { data, shape } of set) {
        buffer.set(data);
        yield { data: buffer.subarray(0, data.length), shape };
        buffer.fill(9);
      }
    };
    const slow = async function* () {
      for (const batch of sets.fit) {
        await sleep(5);
        yield batch;
      }
    };
    const fitting = detector.fit(slow());
    const found = await search({ ...options, fit: reusing(sets.fit), id: reusing(sets.id) });
    await fitting;
    assert.deepEqual(foundBy(found), foundBy(expected));
  });

  describe('makes a detector', () => {
    it('with the reduce modules and the handling of NaN of the one given', async () => {
      const featureReduce = [fixture('reduce_max_tokens.pt'), 'auto'];
      const options = base({ layers: ['tokens', 'fc'], featureReduce, nonFinite: 'reference' });
      await using own = await NACUE.create(fixture('affine.pt'), options);
      const sets = sampleSets();
      const [loudest] = sets.ood.loud as [ShapedBatch];
      loudest.data[0] = Number.NaN;
      const { detector: tuned, best } = await tune({ detector: own, ...sets, grid: { alpha: [1], subsets: false } });
      assert.deepEqual(
        tuned.layers.map((layer) => layer.featureReduce),
        featureReduce,
      );
      assert.deepEqual(await tuned.toBuffer(), await freshState(best.options, 'affine.pt', options, sets.fit));
      assert.equal((await tuned.predict(loudest)).length, 7);
      await tuned.close();
    });

    it('of a model that names its outputs', async () => {
      const output = 'logits';
      await using own = await create({ layers: ['conv1'], output, inputShape: [1, 8, 8] }, 'dict_output.pt');
      const { detector: tuned } = await tune({ detector: own, ...sampleSets([1, 8, 8]), grid: { alpha: [1] } });
      assert.equal((await tuned.score(batches(1, 1, 1, 1, [1, 8, 8])[0] as ShapedBatch)).scores.length, 1);
      await tuned.close();
    });

    it('from bytes', async () => {
      const bytes = fs.readFileSync(fixture('affine.pt'));
      await using own = await NACUE.create(bytes, base());
      const { best, detector: tuned } = await tune({ detector: own, ...sampleSets(), grid: { alpha: [1] } });
      assert.deepEqual(await tuned.toBuffer(), await freshState(best.options, 'affine.pt', base(), sampleSets().fit));
      await tuned.close();
    });

    describe('not of a model that has changed', () => {
      const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nacue-tune-'));
      const file = path.join(folder, 'model.pt');
      const options = base({ layers: ['conv1'], inputShape: [1, 8, 8] });
      beforeEach(() => fs.copyFileSync(fixture('small.pt'), file));
      after(() => fs.rmSync(folder, { recursive: true }));

      /** A search that fails before it asks for a sample. */
      async function refuses(own: NACUE, expected: Expected): Promise<void> {
        let asked = false;
        const { fit, ...sets } = sampleSets([1, 8, 8]);
        const counted = function* () {
          asked = true;
          yield* fit;
        };
        await rejectsWith(tune({ detector: own, fit: counted(), ...sets, grid: { alpha: [1] } }), expected);
        assert.equal(asked, false);
      }

      const changed: Expected = {
        code: 'ERR_NACUE_STATE_MISMATCH',
        message: /^the model has changed since the detector was created from it, and tune\(\) loads it anew/,
      };

      it('since the detector was created, in its file', async () => {
        await using own = await NACUE.create(file, options);
        fs.copyFileSync(fixture('small_traced.pt'), file);
        await refuses(own, changed);
      });

      it('since the detector was created, in its bytes', async () => {
        for (const change of [
          (bytes: Uint8Array) => bytes.reverse(),
          (bytes: Uint8Array) => structuredClone(bytes.buffer, { transfer: [bytes.buffer as ArrayBuffer] }),
        ]) {
          const bytes = new Uint8Array(fs.readFileSync(file));
          await using own = await NACUE.create(bytes, options);
          change(bytes);
          await refuses(own, changed);
        }
      });

      it('or is gone', async () => {
        await using own = await NACUE.create(file, options);
        fs.rmSync(file);
        await refuses(own, { code: 'ERR_NACUE_MODEL_NOT_FOUND', message: /^cannot read the model .*ENOENT/ });
      });

      it('during the search', async () => {
        await using own = await NACUE.create(file, options);
        const onProgress = () => fs.copyFileSync(fixture('small_traced.pt'), file);
        const searching = tune({ detector: own, ...sampleSets([1, 8, 8]), grid: { alpha: [1] }, onProgress });
        await rejectsWith(searching, { code: 'ERR_NACUE_STATE_MISMATCH', message: /another model/ });
      });
    });
  });

  describe('keeps contributions on disk', () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nacue-spill-'));
    after(() => fs.rmSync(folder, { recursive: true }));
    const openSpills = () =>
      fs.readdirSync('/proc/self/fd').filter((fd) => {
        try {
          return fs.readlinkSync(`/proc/self/fd/${fd}`).includes('nacue-contributions');
        } catch {
          return false;
        }
      }).length;
    const closed = async () => {
      for (let round = 0; openSpills() > 0 && round < 100; round++) await sleep(10);
      return openSpills() === 0;
    };

    for (const memoryLimit of [0, 2000]) {
      it(`beyond ${memoryLimit} bytes, with the same result, and leaves nothing behind`, async () => {
        const options = { detector, ...sampleSets(), grid: { alpha: [1, 10] } };
        const expected = await search(options);
        let most = 0;
        const onProgress = () => {
          most = Math.max(most, openSpills());
          assert.deepEqual(fs.readdirSync(folder), []);
        };
        const tuning = await search({ ...options, folder, memoryLimit, onProgress });
        assert.deepEqual([expected.spilled, tuning.spilled], [false, true]);
        assert.deepEqual(foundBy({ ...tuning, spilled: false }), foundBy(expected));
        assert.equal(most, 1);
        assert.ok(await closed());
      });
    }

    it('and closes the file when the search is aborted', async () => {
      const controller = new AbortController();
      const onProgress = ({ phase }: TuneProgress) => phase === 'candidates' && controller.abort(new Error('enough'));
      const { signal } = controller;
      await assert.rejects(tune({ detector, ...sampleSets(), memoryLimit: 0, folder, onProgress, signal }), /enough/);
      assert.ok(await closed());
    });

    it('and closes the file when the detector is closed', async () => {
      const onProgress = ({ phase }: TuneProgress) => phase === 'candidates' && void detector.close();
      const closing = tune({ detector, ...sampleSets(), memoryLimit: 0, folder, onProgress });
      await rejectsWith(closing, { code: 'ERR_NACUE_CLOSED', message: /closed/ });
      assert.ok(await closed());
    });

    it('unless the folder is not there', async () => {
      const options = { detector, ...sampleSets(), memoryLimit: 0, folder: path.join(folder, 'none') };
      await rejectsWith(tune(options), { code: 'ERR_NACUE_SPILL', message: /none': No such file or directory; give/ });
    });

    it('unless the folder is a file', async () => {
      const options = { detector, ...sampleSets(), memoryLimit: 0, folder: __filename };
      await rejectsWith(tune(options), { code: 'ERR_NACUE_SPILL', message: /Not a directory/ });
    });

    it('unless the disk takes no more', async () => {
      // A limit on the size of files stands for a full disk.
      const { code, output, errors } = await child('ulimit -f 16; exec', 'full');
      assert.deepEqual([code, output], [0, 'ERR_NACUE_SPILL File too large'], errors);
    });
  });

  describe('refuses', () => {
    /** A list with a value behind a hole. */
    const holes = (value: unknown) => Object.assign(new Array(2), { 1: value });
    const refused: [string, object, Expected][] = [
      ['unknown options', { grids: {} }, outOfRange(/options must be an object with the keys detector, .*"grids"/)],
      ['another detector', { detector: {} }, wrongType(/detector must be a NACUE detector/)],
      ['no fit', { fit: undefined }, wrongType(/fit must be an Iterable or AsyncIterable of batches/)],
      ['an array of numbers as ID samples', { id: new Float32Array(18) }, wrongType(/id must be an Iterable/)],
      ['no OOD samples', { ood: undefined }, wrongType(/ood must be batches, or an object of batches by name/)],
      ['text as OOD samples', { ood: 'photographs' }, wrongType(/ood must be batches/)],
      ['numbers as OOD samples', { ood: new Float32Array(18) }, wrongType(/ood must be batches/)],
      ['an empty object as OOD samples', { ood: {} }, outOfRange(/ood must be an object with at least one set/)],
      ['a set that is none', { ood: { far: 1 } }, wrongType(/ood\['far'\] must be an Iterable/)],
      [
        'a set with the name of a phase',
        { ood: { id: [] } },
        outOfRange(/ood must be names other than fit, id,.*"id"/),
      ],
      ['a grid that is none', { grid: 1 }, wrongType(/grid must be an object/)],
      ['unknown keys in the grid', { grid: { m: [1] } }, outOfRange(/grid must be an object with the keys mBins/)],
      ['M outside of a list', { grid: { mBins: 50 } }, wrongType(/grid.mBins must be an array/)],
      ['an empty list', { grid: { oStar: [] } }, outOfRange(/grid.oStar must be a list with at least one value/)],
      ['M = 1', { grid: { mBins: [50, 1] } }, outOfRange(/grid.mBins\[1\] must be a whole number >= 2/)],
      ['an M of text', { grid: { mBins: ['50'] } }, wrongType(/grid.mBins\[0\] must be a whole number/)],
      [
        'odd M for openood bins',
        { grid: { mBins: [5], binning: ['openood'] } },
        outOfRange(/grid.mBins\[0\] must be an even/),
      ],
      ['alpha = 0', { grid: { alpha: [0] } }, outOfRange(/grid.alpha\[0\] must be a finite number > 0/)],
      ['a hole in a list', { grid: { oStar: holes(20) } }, wrongType(/grid.oStar\[0\] must be .*received undefined/)],
      ['only holes', { grid: { alpha: new Array(2) } }, wrongType(/grid.alpha\[0\] must be .*received undefined/)],
      ['a hole in the bin rules', { grid: { binning: holes('logit') } }, wrongType(/grid.binning\[0\] must be/)],
      ['a hole in the subsets', { grid: { subsets: holes(['fc']) } }, wrongType(/grid.subsets\[0\] must be a list/)],
      ['a hole in a subset', { grid: { subsets: [holes('fc')] } }, outOfRange(/grid.subsets\[0\] must be a list of/)],
      ['O* = 0.5', { grid: { oStar: [0.5] } }, outOfRange(/grid.oStar\[0\] must be a whole number >= 1/)],
      ['an unknown bin rule', { grid: { binning: ['round'] } }, outOfRange(/grid.binning\[0\] must be 'geometric' or/)],
      ['no bin rule', { grid: { binning: [undefined] } }, wrongType(/grid.binning\[0\] must be a bin rule/)],
      ['layers that are none', { grid: { layers: 1 } }, wrongType(/grid.layers must be an object of grids by layer/)],
      ['an unknown layer', { grid: { layers: { layer9: {} } } }, outOfRange(/keys scale, fc, received "layer9"/)],
      ['a layer without grid', { grid: { layers: { fc: null } } }, wrongType(/grid.layers\['fc'\] must be an object/)],
      [
        'wrong values of a layer',
        { grid: { layers: { fc: { alpha: null } } } },
        wrongType(/grid.layers\['fc'\].alpha must/),
      ],
      ['wrong subsets', { grid: { subsets: 'all' } }, wrongType(/grid.subsets must be true, false or lists/)],
      ['a wrong subset', { grid: { subsets: ['fc'] } }, wrongType(/grid.subsets\[0\] must be a list of layer names/)],
      [
        'an empty subset',
        { grid: { subsets: [[]] } },
        outOfRange(/grid.subsets\[0\] must be a list of names out of scale, fc/),
      ],
      [
        'an unknown layer in a subset',
        { grid: { subsets: [['x']] } },
        outOfRange(/grid.subsets\[0\] must be a list of names/),
      ],
      ...['mBins', 'alpha', 'oStar', 'binning', 'layers', 'subsets'].map((name): [string, object, Expected] => [
        `null as grid.${name}`,
        { grid: { [name]: null } },
        wrongType(new RegExp(`grid.${name} must be .*received null`)),
      ]),
      ...optionNames.map((name): [string, object, Expected] => [
        `null as ${name}`,
        { [name]: null },
        wrongType(new RegExp(`^${name} must be .*received null`)),
      ]),
      ['an unknown metric', { metric: 'autc' }, outOfRange(/metric must be 'auroc' or 'auprIn'/)],
      ['a metric that is none', { metric: 1 }, wrongType(/metric must be/)],
      ['a share of text', { heldBack: '0.5' }, wrongType(/heldBack must be a number in \[0, 0.9\]/)],
      ['a share of all', { heldBack: 1 }, outOfRange(/heldBack must be/)],
      ['a share of NaN', { heldBack: Number.NaN }, outOfRange(/heldBack must be/)],
      ['a negative share', { heldBack: -0.1 }, outOfRange(/heldBack must be/)],
      ...['maxCandidates', 'rankingLength', 'memoryLimit'].flatMap((name): [string, object, Expected][] => [
        [`${name} of text`, { [name]: '1' }, wrongType(new RegExp(`${name} must be a whole number`))],
        [`${name} below its range`, { [name]: -1 }, outOfRange(new RegExp(`${name} must be a whole number`))],
        [`${name} without end`, { [name]: Number.POSITIVE_INFINITY }, outOfRange(new RegExp(`${name} must be`))],
      ]),
      ['no combinations', { maxCandidates: 0 }, outOfRange(/maxCandidates must be a whole number >= 1/)],
      ['too many combinations', { maxCandidates: 1_000_001 }, outOfRange(/maxCandidates must be .*<= 1000000/)],
      ['a folder that is none', { folder: 1 }, wrongType(/folder must be a path/)],
      ['a folder without name', { folder: '' }, outOfRange(/folder must be a path/)],
      ['a callback that is none', { onProgress: 1 }, wrongType(/onProgress must be a function/)],
      ['a signal that is none', { signal: {} }, wrongType(/signal must be an AbortSignal/)],
      [
        'a fit without samples',
        { fit: [] },
        outOfRange(/the number of samples in 'fit' must be at least 1 \(an iter.*, received 0/),
      ],
      [
        'ID samples too few to hold some back',
        { id: batches(1, 1, 1) },
        outOfRange(/'id' must be at least 2, so that some can be held back, received 1/),
      ],
      [
        'OOD samples too few for a tenth',
        { ood: { a: batches(9, 1, 1) }, heldBack: 0.1 },
        outOfRange(/'a' must be at least 10,/),
      ],
      [
        'empty OOD samples when nothing is held back',
        { ood: [], heldBack: 0 },
        outOfRange(/'ood' must be at least 1 \(an/),
      ],
      ['what is no batch', { id: [1] }, wrongType(/batch must be a Float32Array or/)],
      ['NaN', { id: [new Float32Array(18).fill(Number.NaN)] }, { code: 'ERR_NACUE_NON_FINITE', message: /row/ }],
    ];
    for (const [title, options, expected] of refused) {
      it(title, async () => {
        const { fit, id } = sampleSets();
        await rejectsWith(
          tune({ detector, fit, id, ood: id, grid: { oStar: [1] }, ...options } as TuneOptions),
          expected,
        );
      });
    }

    it('what is no object', () => rejectsWith(tune(null as never), wrongType(/options must be an object/)));

    it('odd M of the detector for openood bins', async () => {
      await using odd = await create({ mBins: 5 });
      const options = { detector: odd, ...sampleSets(), grid: { binning: ['openood'] as const } };
      await rejectsWith(tune(options), outOfRange(/the detector's mBins for layer 'scale' must be an even number/));
    });

    it('all subsets of many layers', async () => {
      const layers = ['conv1', 'bn1', 'relu', 'layer1', 'layer1.0', 'layer1.1', 'layer1.2', 'avgpool', 'fc'];
      await using many = await create({ layers, inputShape: [1, 8, 8] }, 'small.pt');
      const options = { detector: many, ...sampleSets([1, 8, 8]) };
      await rejectsWith(
        tune({ ...options, grid: { subsets: true } }),
        outOfRange(/grid.subsets must be lists of names/),
      );
      assert.equal((await search({ ...options, grid: { oStar: [1], subsets: false } })).scored, 512);
    });

    it('a closed detector', async () => {
      await detector.close();
      await rejectsWith(tune({ detector, ...sampleSets() }), { code: 'ERR_NACUE_CLOSED', message: /closed/ });
    });

    it('batches with other numbers of neurons than the first', async () => {
      await using flat = await NACUE.create(fixture('small.pt'), { layers: ['conv1'], featureReduce: 'flatten' });
      const { fit, id } = sampleSets([1, 8, 8]);
      const wide = batches(8, 1, 1, 8, [1, 8, 10]);
      const other = { type: RangeError, code: 'ERR_NACUE_SHAPE', message: /'conv1' has 320 .*, it had 256/ } as const;
      for (const sets of [
        { fit: [...fit, ...wide], id, ood: id },
        { fit, id: wide, ood: id },
        { fit, id, ood: { a: id, b: wide } },
      ])
        await rejectsWith(tune({ detector: flat, ...sets }), other);
      assert.equal((await search({ detector: flat, fit, id, ood: id, grid: { oStar: [1] } })).scored, 2);
    });
  });

  describe('ends', () => {
    it('with what an iterator throws', async () => {
      const failing = function* () {
        yield* batches(5, 1, 1);
        throw new Error('the camera is gone');
      };
      const { fit, id } = sampleSets();
      for (const sets of [
        { fit: failing(), id, ood: id },
        { fit, id: failing(), ood: id },
        { fit, id, ood: { a: id, b: failing() } },
      ])
        await assert.rejects(tune({ detector, ...sets }), /the camera is gone/);
    });

    it('with what onProgress throws, in whatever phase', async () => {
      for (const phase of ['fit', 'id', 'loud', 'candidates', 'combinations']) {
        const onProgress = (progress: TuneProgress) => {
          if (progress.phase === phase) throw new Error(`no more ${phase}`);
        };
        await assert.rejects(tune({ detector, ...sampleSets(), onProgress }), new RegExp(`no more ${phase}`));
      }
      assert.ok((await search({ detector, ...sampleSets(), grid: { oStar: [1] } })).exhaustive);
    });

    it('before it begins when the signal has aborted', async () => {
      let read = 0;
      const counted = function* () {
        read++;
        yield* sampleSets().fit;
      };
      const signal = AbortSignal.abort(new Error('too late'));
      await assert.rejects(tune({ detector, ...sampleSets(), fit: counted(), signal }), /too late/);
      assert.equal(read, 0);
    });

    it('when the signal aborts, in whatever phase, also on an iterator that hangs', async () => {
      for (const phase of ['fit', 'id', 'faint', 'candidates', 'combinations']) {
        const controller = new AbortController();
        const onProgress = (progress: TuneProgress) => progress.phase === phase && controller.abort(new Error(phase));
        const running = tune({ detector, ...sampleSets(), onProgress, signal: controller.signal });
        await assert.rejects(running, new RegExp(phase));
      }
      const hanging = async function* () {
        yield* sampleSets().id;
        await new Promise(() => {});
      };
      const signal = AbortSignal.timeout(50);
      await assert.rejects(tune({ detector, ...sampleSets(), id: hanging(), signal }), { name: 'TimeoutError' });
    });

    it('when the detector is closed, in whatever phase, also on an iterator that hangs', async () => {
      const closed = { code: 'ERR_NACUE_CLOSED', message: /closed/ } as const;
      for (const phase of ['fit', 'loud', 'candidates', 'combinations']) {
        const own = await create();
        const onProgress = (progress: TuneProgress) => progress.phase === phase && void own.close();
        await rejectsWith(tune({ detector: own, ...sampleSets(), onProgress }), closed);
      }
      const own = await create();
      const hanging = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) };
      const running = rejectsWith(tune({ detector: own, ...sampleSets(), fit: hanging }), closed);
      await own.close();
      await running;
    });
  });

  it('reports every phase in order, up to its total', async () => {
    const seen: TuneProgress[] = [];
    const onProgress = (progress: TuneProgress) => void seen.push(progress);
    const grid = { alpha: [1], binning: ['uniform'] as const };
    await search({ detector, ...sampleSets(), grid, onProgress });
    const phases = seen.map(({ phase }) => phase).filter((phase, i, all) => phase !== all[i - 1]);
    assert.deepEqual(phases, [
      'fit',
      'id',
      'loud',
      'faint',
      'candidates',
      'combinations',
      'candidates',
      'combinations',
    ]);
    const last = (name: string) => seen.findLast(({ phase }) => phase === name) as TuneProgress;
    assert.deepEqual(
      [last('fit').done, last('fit').total, last('id').done, last('faint').done],
      [60, undefined, 31, 17],
    );
    assert.deepEqual([last('candidates').done, last('candidates').total], [4, 4]);
    assert.deepEqual([last('combinations').done, last('combinations').total], [16, 16]);
    assert.ok(seen.every(({ elapsedMs }, i) => elapsedMs >= (seen[i - 1]?.elapsedMs ?? 0)));
  });

  it('leaves the event loop free and lets other detectors work', async () => {
    await using other = await create();
    await other.fit(sampleSets().fit);
    const sets = { fit: batches(500, 1, 1, 50), id: batches(500, 1, 2, 50), ood: batches(500, 1.2, 3, 50) };
    /** Calls the other detector until `ends`; the delays of the loop meanwhile, 99 % of which are no longer. */
    const delaysUntil = async (ends: Promise<unknown>) => {
      const delay = monitorEventLoopDelay({ resolution: 2 });
      let done = false;
      const ended = ends.finally(() => {
        done = true;
      });
      delay.enable();
      let calls = 0;
      for (; !done; calls++) {
        await other.predict(sets.id[0] as ShapedBatch);
        await sleep(1);
      }
      delay.disable();
      await ended;
      return { calls, p99: delay.percentile(99) / 1e6 };
    };
    // On a loaded machine, and under the sanitizers, the loop is late without a search too; one that the search holds up is late each time.
    const tries: string[] = [];
    for (let isLate = true; isLate; ) {
      const idle = await delaysUntil(sleep(500));
      const searching = await delaysUntil(search({ detector, ...sets }));
      assert.ok(searching.calls > 10, `${searching.calls} calls`);
      isLate = searching.p99 >= Math.max(process.env.ASAN_OPTIONS ? 200 : 20, 3 * idle.p99 + 10);
      tries.push(`${searching.p99} ms, without a search ${idle.p99} ms`);
      assert.ok(!isLate || tries.length < 5, `p99 of the delay: ${tries.join('; ')}`);
    }
  });

  describe('in a process that ends', function () {
    this.timeout(60_000);

    it('is cut off by process.exit', async () => {
      const { code, output, errors } = await child('exec', 'exit');
      assert.deepEqual([code, output], [7, 'searching'], errors);
    });

    it('is cut off when its worker thread is terminated', async () => {
      const { code, output, errors } = await child('exec', 'terminate');
      assert.deepEqual([code, output], [0, 'terminated 4'], errors);
    });

    it('gives its memory back after each search', async function () {
      if (process.env.ASAN_OPTIONS) this.skip(); // the sanitizers keep freed memory
      const { code, output, errors } = await child('exec', 'memory');
      assert.deepEqual([code, /^grown by -?\d+ MB$/.test(output)], [0, true], errors + output);
      assert.ok(Number(output.split(' ')[2]) < 30, output);
    });

    it('finds the same on one core as on all', async () => {
      const [all, one] = [await child('exec', 'result'), await child('exec taskset -c 0', 'result')];
      assert.deepEqual([all.code, one.code], [0, 0], all.errors + one.errors);
      assert.match(all.output, /"scored":\d{4},/);
      assert.equal(one.output, all.output);
    });
  });
});

/** Runs a scenario of lifecycle/tune.cjs in a process of its own, started by a piece of shell. */
function child(shell: string, scenario: string): Promise<{ code: number | null; output: string; errors: string }> {
  const script = path.join(__dirname, 'lifecycle', 'tune.cjs');
  const started = spawn('sh', ['-c', `${shell} "$0" --expose-gc "$@"`, process.execPath, script, scenario], {
    // Node does not free its own memory when a process ends at once: there leaks say nothing.
    env: {
      ...process.env,
      ...(process.env.ASAN_OPTIONS && { ASAN_OPTIONS: `${process.env.ASAN_OPTIONS}:detect_leaks=0` }),
    },
    timeout: 50_000,
    killSignal: 'SIGKILL',
  });
  let output = '';
  let errors = '';
  started.stdout.on('data', (text) => (output += text));
  started.stderr.on('data', (text) => (errors += text));
  return new Promise((resolve) => started.on('close', (code) => resolve({ code, output: output.trim(), errors })));
}
