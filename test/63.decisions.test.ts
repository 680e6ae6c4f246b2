import assert from 'node:assert/strict';
import { type Aggregation, type Batch, NACUE, type NACUEOptions, type Score } from 'nacue';
import { indices, sum } from './affine.js';
import { type Expected, rejectsWith } from './failures.js';
import { fitBatches, fixture, goldenOptions, randomBatch, sampleShape, scoreBatch } from './fixtures.js';

const layers = goldenOptions().layers;
const empty = { data: new Float32Array(0), shape: [0, ...sampleShape] };

async function fitted(options: Partial<NACUEOptions> = {}): Promise<NACUE> {
  const detector = await NACUE.create(fixture('small.pt'), { ...goldenOptions(), ...options });
  return detector.fit(fitBatches());
}

/** A detector of many neurons, few of whose scores tie. */
const fine = () => fitted({ featureReduce: 'flatten', mBins: 60, oStar: 9 });

/** A detector whose scores are 0, -1/3, -2/3 or -1: most samples tie. */
const coarse = () => fitted({ layers: ['fc'], mBins: 4, oStar: 1 });

const notFitted: Expected = { code: 'ERR_NACUE_NOT_FITTED', message: /call fit\(\) before/ };
const closed: Expected = { code: 'ERR_NACUE_CLOSED', message: /closed/ };

describe('detector.calibrate', () => {
  /** The definition: the smallest of the scores that at least the share tpr does not exceed. */
  function quantile(scores: Float32Array, tpr: number): number {
    const passing = (threshold: number) => scores.filter((score) => score <= threshold).length;
    return Math.min(...scores.filter((score) => passing(score) >= tpr * scores.length - 1e-9));
  }

  for (const [name, create] of [
    ['few ties', fine],
    ['many ties', coarse],
  ] as const) {
    for (const tpr of [1, 0.99, 0.95, 0.5, 0.29, 0.07, 0.01, 1e-12]) {
      it(`sets the exact quantile with ${name}, tpr ${tpr}`, async () => {
        await using detector = await create();
        const heldOut = randomBatch(100, sampleShape, 7);
        const scores = await detector.predict(heldOut);
        const threshold = await detector.calibrate([heldOut], { tpr });
        assert.equal(threshold, quantile(scores, tpr));
        assert.equal(detector.threshold, threshold);
        assert.ok(scores.includes(threshold));
        const { isOutlier } = await detector.score(heldOut);
        assert.deepEqual(
          isOutlier,
          Uint8Array.from(scores, (score) => (score > threshold ? 1 : 0)),
        );
        assert.ok(isOutlier.filter((flag) => flag === 0).length >= tpr * 100 - 1e-9);
      });
    }
  }

  it('counts whole samples: 0.07 of 100 are 7, although 0.07 * 100 > 7', async () => {
    await using detector = await fine();
    const heldOut = randomBatch(100, sampleShape, 7);
    const sorted = (await detector.predict(heldOut)).toSorted();
    assert.notEqual(sorted[6], sorted[7]);
    assert.equal(await detector.calibrate([heldOut], { tpr: 0.07 }), sorted[6]);
  });

  it('has the default tpr 0.95, and the same threshold however the data is cut', async () => {
    await using detector = await fitted();
    const heldOut = randomBatch(40, sampleShape, 8);
    const expected = await detector.calibrate([heldOut], { tpr: 0.95 });
    assert.equal(await detector.calibrate([heldOut]), expected);
    async function* rows() {
      for (let row = 0; row < 40; ++row) yield heldOut.data.subarray(row * 64, (row + 1) * 64);
      yield empty;
    }
    const seen: number[] = [];
    assert.equal(await detector.calibrate(rows(), { onProgress: ({ samples }) => seen.push(samples) }), expected);
    assert.deepEqual(seen, [...indices(40).map((i) => i + 1), 40]);
  });

  it('is what isOutlier waits for', async () => {
    await using detector = await fitted();
    assert.equal(detector.threshold, undefined);
    assert.ok(!('isOutlier' in (await detector.score(scoreBatch()))));
    await detector.calibrate([scoreBatch()]);
    assert.deepEqual((await detector.score(empty)).isOutlier, new Uint8Array(0));
  });

  it('takes the value of a sample alone for every tpr', async () => {
    await using detector = await fitted();
    const [score] = await detector.predict(randomBatch(1, sampleShape));
    for (const tpr of [1e-300, 0.5, 1])
      assert.equal(await detector.calibrate([randomBatch(1, sampleShape)], { tpr }), score);
  });

  describe('keeps the former threshold', () => {
    let detector: NACUE;
    let before: number;
    const batches = () => [randomBatch(5, sampleShape, 9), randomBatch(5, sampleShape, 10)];
    beforeEach(async () => {
      detector = await fitted();
      before = await detector.calibrate([scoreBatch()], { tpr: 0.5 });
    });
    afterEach(async () => {
      assert.equal(detector.threshold, before);
      assert.ok((await detector.score(scoreBatch())).isOutlier);
      await detector.close();
    });

    for (const [name, none] of [
      ['there is no batch', []],
      ['all batches are empty', [empty, empty]],
    ] as const)
      it(`when ${name}`, () =>
        rejectsWith(detector.calibrate(none), { code: 'ERR_NACUE_EMPTY_FIT', message: /^calibrate got no samples/ }));

    it('when the iterator throws, which ends it', async () => {
      let ended = false;
      function* failing(): Iterable<Batch> {
        try {
          yield* batches();
          throw new Error('the disk is gone');
        } finally {
          ended = true;
        }
      }
      await assert.rejects(detector.calibrate(failing()), { message: 'the disk is gone' });
      assert.ok(ended);
    });

    it('when onProgress throws', () =>
      assert.rejects(
        detector.calibrate(batches(), {
          onProgress: () => {
            throw new Error('enough');
          },
        }),
        { message: 'enough' },
      ));

    it('when a batch is wrong', async () => {
      const wrong = { data: new Float32Array(6), shape: [2, 3] };
      await rejectsWith(detector.calibrate([batches()[0] as Batch, wrong]), {
        type: RangeError,
        code: 'ERR_NACUE_SHAPE',
        message: /shape/,
      });
      const notFinite = new Float32Array(64).fill(Number.NaN);
      await rejectsWith(detector.calibrate([notFinite]), { code: 'ERR_NACUE_NON_FINITE', message: /0/ });
    });

    it('when it is aborted', async () => {
      const reason = new Error('no time');
      await assert.rejects(detector.calibrate(batches(), { signal: AbortSignal.abort(reason) }), reason);
      const controller = new AbortController();
      const onProgress = () => controller.abort(reason);
      await assert.rejects(detector.calibrate(batches(), { signal: controller.signal, onProgress }), reason);
    });

    it('when its own iterator calls the detector', async () => {
      async function* reentrant() {
        yield batches()[0] as Batch;
        await detector.predict(scoreBatch());
      }
      await rejectsWith(detector.calibrate(reentrant()), { code: 'ERR_NACUE_REENTRANT', message: /iterator/ });
    });

    it('when a fit fails', async () => {
      await rejectsWith(detector.fit([]), { code: 'ERR_NACUE_EMPTY_FIT', message: /no samples/ });
      await rejectsWith(detector.partialFit([empty]), { code: 'ERR_NACUE_EMPTY_FIT', message: /no samples/ });
    });

    it('when setOStar is given a wrong value', () =>
      rejectsWith(detector.setOStar(0), { type: RangeError, code: 'ERR_NACUE_OUT_OF_RANGE', message: /^oStar/ }));
  });

  for (const [name, change] of [
    ['fit', (detector: NACUE) => detector.fit(fitBatches())],
    ['partialFit', (detector: NACUE) => detector.partialFit(fitBatches())],
    ['setOStar', (detector: NACUE) => detector.setOStar(18)],
  ] as const) {
    it(`is undone by ${name}`, async () => {
      await using detector = await fitted();
      await detector.calibrate([scoreBatch()]);
      await change(detector);
      assert.equal(detector.threshold, undefined);
      assert.ok(!('isOutlier' in (await detector.score(scoreBatch()))));
    });
  }

  it('keeps its place among calls that nobody waits for', async () => {
    await using detector = await fitted();
    const heldOut = randomBatch(20, sampleShape, 11);
    const results = await Promise.all([
      detector.score(scoreBatch()),
      detector.calibrate([heldOut], { tpr: 1 }),
      detector.score(scoreBatch()),
      detector.calibrate([heldOut], { tpr: 0.1 }),
      detector.setOStar(3),
      detector.score(scoreBatch()),
      detector.calibrate([heldOut], { tpr: 0.5 }),
      detector.fit(fitBatches()),
      detector.score(scoreBatch()),
    ]);
    const [before, high, after, low, , afterOStar, middle, , afterFit] = results;
    assert.deepEqual(
      [before, afterOStar, afterFit].map((score) => 'isOutlier' in score),
      [false, false, false],
    );
    assert.deepEqual(
      after.isOutlier,
      Uint8Array.from(after.scores, (score) => (score > high ? 1 : 0)),
    );
    assert.ok(low < high);
    assert.ok(Number.isFinite(middle));
  });

  it('ends when the detector is closed', async () => {
    const detector = await fitted();
    async function* endless() {
      for (;;) yield randomBatch(1, sampleShape);
    }
    const call = detector.calibrate(endless());
    await Promise.all([rejectsWith(call, closed), detector.close()]);
  });

  it('needs a fit and an open detector', async () => {
    const detector = await NACUE.create(fixture('small.pt'), goldenOptions());
    await rejectsWith(detector.calibrate([scoreBatch()]), notFitted);
    assert.equal(detector.threshold, undefined);
    await detector.close();
    await rejectsWith(detector.calibrate([scoreBatch()]), closed);
  });
});

describe('detector.setOStar', () => {
  it('equals a detector that was created with it', async () => {
    for (const oStar of [1, 7, [1, 2, 3, 400], Number.MAX_SAFE_INTEGER]) {
      await using detector = await fitted();
      await using fresh = await fitted({ oStar });
      assert.equal(await detector.setOStar(oStar), detector);
      assert.deepEqual(detector.layers, fresh.layers);
      assert.deepEqual(
        await detector.score(scoreBatch(), { explain: 2 }),
        await fresh.score(scoreBatch(), { explain: 2 }),
      );
      assert.deepEqual(await detector.coverage(), await fresh.coverage());
      assert.deepEqual(await detector.toBuffer(), await fresh.toBuffer());
    }
  });

  it('applies to the calls after it', async () => {
    await using detector = await fitted({ oStar: 18 });
    await using other = await fitted({ oStar: 40 });
    const [before, , after, fit, , last] = await Promise.all([
      detector.predict(scoreBatch()),
      detector.setOStar(40),
      detector.predict(scoreBatch()),
      detector.fit(fitBatches()),
      detector.setOStar(18),
      detector.predict(scoreBatch()),
    ]);
    assert.equal(fit, detector);
    assert.deepEqual(after, await other.predict(scoreBatch()));
    assert.deepEqual(last, before);
    assert.notDeepEqual(before, after);
  });

  it('needs no fit', async () => {
    await using detector = await NACUE.create(fixture('small.pt'), goldenOptions());
    await detector.setOStar(5);
    await detector.fit(fitBatches());
    await using other = await fitted({ oStar: 5 });
    assert.deepEqual(await detector.predict(scoreBatch()), await other.predict(scoreBatch()));
  });

  for (const [value, type, message] of [
    [undefined, TypeError, /^oStar must be a whole number >= 1, received undefined$/],
    [null, TypeError, /^oStar .* received null$/],
    ['5', TypeError, /^oStar .* received "5"$/],
    [5n, TypeError, /bigint/],
    [0, RangeError, /^oStar must be a whole number >= 1, received 0/],
    [-3, RangeError, /^oStar/],
    [2.5, RangeError, /^oStar/],
    [Number.NaN, RangeError, /^oStar/],
    [2 ** 53, RangeError, /^oStar/],
    [[], RangeError, /one per layer \(4\)/],
    [[1, 2, 3], RangeError, /one per layer \(4\)/],
    [[1, 2, 3, 0], RangeError, /^oStar\[3\]/],
    [[1, 2, 3, '4'], TypeError, /^oStar\[3\]/],
    // biome-ignore lint/suspicious/noSparseArray: holes are what is tested
    [[1, , 3, 4], TypeError, /^oStar\[1\] .* received undefined$/],
    [Object.assign([1, 2, 3, 4], { [Symbol.iterator]: () => [1, 2].values() }), RangeError, /one per layer \(4\)/],
  ] as [unknown, typeof TypeError | typeof RangeError, RegExp][]) {
    it(`refuses ${Array.isArray(value) ? JSON.stringify(value) : `${typeof value} ${value}`} and changes nothing`, async () => {
      await using detector = await fitted();
      const before = await detector.predict(scoreBatch());
      const code = type === TypeError ? 'ERR_NACUE_INVALID_ARG_TYPE' : 'ERR_NACUE_OUT_OF_RANGE';
      await rejectsWith(detector.setOStar(value as number), { type, code, message });
      assert.deepEqual(await detector.predict(scoreBatch()), before);
      assert.equal(detector.layers[0]?.oStar, 18);
    });
  }

  it('needs an open detector', async () => {
    const detector = await fitted();
    await detector.close();
    await rejectsWith(detector.setOStar(5), closed);
  });
});

describe('aggregation and layerWeights', () => {
  const weights = [0.25, 3, 0, 1];
  const near = (actual: number | undefined, expected: number) =>
    assert.ok(Math.abs((actual as number) - expected) < 1e-6, `${actual} is not ${expected}`);

  for (const aggregation of ['sum', 'mean'] as Aggregation[]) {
    for (const layerWeights of [undefined, weights, [2, 2, 2, 2]]) {
      it(`${aggregation} of the layers with weights ${layerWeights ?? 'left out'}`, async () => {
        await using detector = await fitted({ aggregation, ...(layerWeights && { layerWeights }) });
        assert.deepEqual(
          detector.layers.map(({ weight }) => weight),
          layerWeights ?? [1, 1, 1, 1],
        );
        const { scores, layerScores } = await detector.score(scoreBatch());
        const used = layerWeights ?? [1, 1, 1, 1];
        const [, samples] = layerScores.shape as [number, number];
        for (const [b, score] of scores.entries()) {
          const total = sum(used.map((weight, l) => weight * (layerScores.data[l * samples + b] as number)));
          near(score, aggregation === 'sum' ? -total : -total / sum(used));
        }
        assert.deepEqual(await detector.predict(scoreBatch()), scores);
      });
    }
  }

  it('leave the bits of a sum alone where every weight is 1', async () => {
    await using detector = await fitted({ layerWeights: [1, 1, 1, 1] });
    await using standard = await fitted();
    assert.deepEqual(await detector.predict(scoreBatch()), await standard.predict(scoreBatch()));
  });

  it('belong to the layers by name', async () => {
    const reversed = (values: readonly number[]) => [...values].reverse();
    await using detector = await fitted({ layerWeights: weights });
    await using other = await fitted({ layers: reversed(layers as never) as never, layerWeights: reversed(weights) });
    assert.deepEqual(await other.predict(scoreBatch()), await detector.predict(scoreBatch()));
  });
});

describe('detector.score with explain', () => {
  const huge = Number.MAX_SAFE_INTEGER;
  type Explanation = NonNullable<Score['explanation']>[number];
  const row = (values: ArrayLike<number>, b: number, k: number) => Array.from(values).slice(b * k, (b + 1) * k);

  for (const aggregation of ['sum', 'mean'] as Aggregation[]) {
    for (const layerWeights of [
      [1, 1, 1, 1],
      [0.5, 2, 0, 1],
    ]) {
      it(`gives costs that add up to what the sample lacks, ${aggregation}, weights ${layerWeights}`, async () => {
        await using detector = await fitted({ aggregation, layerWeights });
        const { scores, explanation } = await detector.score(scoreBatch(), { explain: huge });
        const least = aggregation === 'sum' ? -sum(layerWeights) : -1;
        for (const [b, score] of scores.entries()) {
          const costs = (explanation as Explanation[]).flatMap(({ cost, shape }) => row(cost, b, shape[1] as number));
          assert.ok(Math.abs(sum(costs) - (score - least)) < 1e-5, `${sum(costs)} is not ${score} - ${least}`);
        }
      });
    }
  }

  for (const preset of ['pytorch-ood', 'openood'] as const) {
    it(`says what the counts say, least covered first, ties by index, preset ${preset}`, async () => {
      const options = { preset, layers: ['layer1', 'fc'], mBins: 8, oStar: 6, featureReduce: ['flatten', 'auto'] };
      await using detector = await fitted(options);
      const { explanation, layerScores } = await detector.score(scoreBatch(), { explain: huge });
      for (const [l, part] of (explanation as Explanation[]).entries()) {
        const { data, shape } = detector.counts(part.layer);
        const [neurons, mBins] = shape;
        assert.deepEqual([part.layer, part.shape], [options.layers[l], [5, neurons]]);
        for (let b = 0; b < 5; ++b) {
          const [order, bins, phi] = [part.neurons, part.bins, part.coverage].map((values) => row(values, b, neurons));
          assert.deepEqual(
            (order as number[]).toSorted((x, y) => x - y),
            indices(neurons),
          );
          for (const [rank, neuron] of (order as number[]).entries()) {
            const bin = (bins as number[])[rank] as number;
            const covered = (phi as number[])[rank] as number;
            assert.ok(bin >= 0 && bin < mBins);
            assert.equal(covered, Math.fround(Math.min(Number(data[neuron * mBins + bin]) / 6, 1)));
            if (rank === 0) continue;
            const [lower, before] = [(phi as number[])[rank - 1] as number, (order as number[])[rank - 1] as number];
            assert.ok(lower < covered || (lower === covered && before < neuron));
          }
          const mean = sum(phi as number[]) / neurons;
          assert.ok(Math.abs(mean - (layerScores.data[l * 5 + b] as number)) < 1e-5);
        }
      }
    });
  }

  it('gives the first k of them', async () => {
    await using detector = await fitted();
    const { explanation: all } = await detector.score(scoreBatch(), { explain: huge });
    for (const k of [1, 2, 3, 4]) {
      const { explanation } = await detector.score(scoreBatch(), { explain: k });
      for (const [l, part] of (explanation as Explanation[]).entries()) {
        const full = all?.[l] as Explanation;
        const [, neurons] = full.shape as [number, number];
        const kept = Math.min(k, neurons);
        assert.deepEqual(part.shape, [5, kept]);
        for (const key of ['neurons', 'bins', 'coverage', 'cost'] as const)
          for (let b = 0; b < 5; ++b)
            assert.deepEqual(row(part[key], b, kept), row(full[key], b, neurons).slice(0, kept));
      }
    }
  });

  it('leaves scores, layer scores and logits as they are', async () => {
    await using detector = await fitted();
    const { explanation, ...explained } = await detector.score(scoreBatch(), { explain: 3 });
    assert.equal(explanation?.length, 4);
    assert.deepEqual(await detector.score(scoreBatch()), explained);
  });

  it('is empty for a batch of 0', async () => {
    await using detector = await fitted();
    const { explanation } = await detector.score(empty, { explain: 2 });
    assert.deepEqual(
      explanation?.map(({ layer, shape, neurons, cost }) => [layer, shape, neurons.length, cost.length]),
      layers.map((layer) => [layer, [0, 2], 0, 0]),
    );
  });

  for (const explain of [0, -1, 1.5, Number.NaN, 2 ** 53, '3', null, true, [1]]) {
    it(`refuses ${JSON.stringify(explain)}`, async () => {
      await using detector = await fitted();
      const type = typeof explain === 'number' ? RangeError : TypeError;
      const code = type === RangeError ? 'ERR_NACUE_OUT_OF_RANGE' : 'ERR_NACUE_INVALID_ARG_TYPE';
      const call = detector.score(scoreBatch(), { explain: explain as number });
      await rejectsWith(call, { type, code, message: /^explain must be a whole number >= 1, received / });
    });
  }
});

describe('detector.coverage', () => {
  for (const [binning, mBins] of [
    ['geometric', 7],
    ['openood', 12],
    ['logit', 2],
  ] as const) {
    it(`is the mean over neurons of the covered share of their bins, ${binning} bins, M = ${mBins}`, async () => {
      await using detector = await fitted({ binning, mBins, oStar: [1, 4, 9, 1000] });
      const { total, layers: reported } = await detector.coverage();
      assert.deepEqual(
        reported.map(({ layer }) => layer),
        layers,
      );
      for (const [l, { layer, coverage }] of reported.entries()) {
        const { data, shape } = detector.counts(layer);
        const oStar = [1, 4, 9, 1000][l] as number;
        const expected = sum(Array.from(data, (count) => Math.min(Number(count) / oStar, 1))) / (shape[0] * shape[1]);
        assert.ok(Math.abs(coverage - expected) < 1e-6, `${layer}: ${coverage} for ${expected}`);
        assert.ok(coverage > 0 && coverage <= 1);
      }
      assert.equal(total, sum(reported.map(({ coverage }) => coverage)) / 4);
    });
  }

  it('grows with the fit and falls with O*', async () => {
    await using detector = await fitted({ oStar: 1000 });
    const { total: few } = await detector.coverage();
    await detector.partialFit(fitBatches());
    const { total: more } = await detector.coverage();
    assert.ok(more > few);
    await detector.setOStar(2000);
    assert.ok(Math.abs((await detector.coverage()).total - few) < 1e-6);
  });

  it('waits for the fit before it, and needs one', async () => {
    const detector = await NACUE.create(fixture('small.pt'), goldenOptions());
    await rejectsWith(detector.coverage(), { ...notFitted, message: /before coverage\(\)/ });
    const [, { total }] = await Promise.all([detector.fit(fitBatches()), detector.coverage()]);
    assert.equal(total, (await detector.coverage()).total);
    await detector.close();
    await rejectsWith(detector.coverage(), closed);
  });
});

describe('detector.contributions', () => {
  it('needs no fit, and does not change with one', async () => {
    await using detector = await NACUE.create(fixture('small.pt'), goldenOptions());
    const before = await detector.contributions(scoreBatch());
    assert.deepEqual(
      before.map(({ layer, shape, data }) => [layer, shape, data.length]),
      [
        ['conv1', [5, 4], 20],
        ['layer1', [5, 4], 20],
        ['avgpool', [5, 4], 20],
        ['fc', [5, 3], 15],
      ],
    );
    await detector.fit(fitBatches());
    await detector.setOStar(2);
    assert.deepEqual(await detector.contributions(scoreBatch()), before);
  });

  it('comes in the order of layers, and splits with the batch', async () => {
    const { data, shape } = scoreBatch();
    await using detector = await NACUE.create(fixture('small.pt'), { ...goldenOptions(), layers: ['fc', 'conv1'] });
    const whole = await detector.contributions({ data, shape });
    assert.deepEqual(
      whole.map(({ layer }) => layer),
      ['fc', 'conv1'],
    );
    for (let b = 0; b < 5; ++b) {
      const parts = await detector.contributions(data.subarray(b * 64, (b + 1) * 64));
      for (const [l, part] of parts.entries()) {
        const expected = whole[l]?.data.subarray(b * part.data.length, (b + 1) * part.data.length) as Float32Array;
        assert.ok(part.data.every((value, n) => Math.abs(value - (expected[n] as number)) < 1e-6));
      }
    }
  });

  it('is empty for a batch of 0', async () => {
    await using detector = await NACUE.create(fixture('small.pt'), goldenOptions());
    assert.deepEqual(
      (await detector.contributions(empty)).map(({ shape, data }) => [shape, data.length]),
      [
        [[0, 4], 0],
        [[0, 4], 0],
        [[0, 4], 0],
        [[0, 3], 0],
      ],
    );
  });

  it('refuses wrong batches and signals', async () => {
    await using detector = await NACUE.create(fixture('small.pt'), goldenOptions());
    await rejectsWith(detector.contributions({ data: new Float32Array(3), shape: [1, 3] }), {
      type: RangeError,
      code: 'ERR_NACUE_SHAPE',
      message: /shape/,
    });
    await rejectsWith(detector.contributions(new Float32Array(64).fill(Number.POSITIVE_INFINITY)), {
      code: 'ERR_NACUE_NON_FINITE',
      message: /infinity/,
    });
    const reason = new Error('no time');
    await assert.rejects(detector.contributions(scoreBatch(), { signal: AbortSignal.abort(reason) }), reason);
  });
});
