import assert from 'node:assert/strict';
import { type MetricValues, metrics, type Scores } from 'nacue';
import { type Expected, throwsWith } from './failures.js';
import { randomNumbers } from './fixtures.js';

const wrongType = (message: RegExp): Expected => ({ type: TypeError, code: 'ERR_NACUE_INVALID_ARG_TYPE', message });
const outOfRange = (message: RegExp): Expected => ({ type: RangeError, code: 'ERR_NACUE_OUT_OF_RANGE', message });

/** ID 0 1 2 2, OOD 2 3 4: 11 of the 12 pairs are won, the two ties at 2 counting half. */
const id = [0, 1, 2, 2];
const ood = [2, 3, 4];

function close(actual: number, expected: number, what: string): void {
  assert.ok(Math.abs(actual - expected) < 1e-12, `${what}: ${actual}, expected ${expected}`);
}

function allClose(actual: MetricValues, expected: MetricValues): void {
  assert.deepEqual(Object.keys(actual).sort(), Object.keys(expected).sort());
  for (const [name, value] of Object.entries(expected)) {
    if (Number.isNaN(value)) assert.ok(Number.isNaN(actual[name as keyof MetricValues]), name);
    else close(actual[name as keyof MetricValues], value, name);
  }
}

describe('metrics', () => {
  it('gives what a hand computes', () => {
    close(metrics.auroc(id, ood), 11 / 12, 'AUROC');
    // Points (recall, precision) from (0, 1): OOD 1/3, 2/3 at precision 1, 3/3 at 3/5; ID 1/4, 2/4 at precision 1, 4/4 at 4/5.
    close(metrics.auprOut(id, ood), 2 / 3 + (1 / 3) * ((1 + 3 / 5) / 2), 'AUPR-OUT');
    close(metrics.auprIn(id, ood), 2 / 4 + (2 / 4) * ((1 + 4 / 5) / 2), 'AUPR-IN');
    close(metrics.fprAtTpr(id, ood), 2 / 4, 'FPR@95TPR');
    // Scaled to [0, 1]: ID 0 .25 .5 .5, OOD .5 .75 1.
    close(metrics.autc(id, ood), (1.25 / 4 + 0.75 / 3) / 2, 'AUTC');
  });

  it('knows perfect, useless and reversed scores', () => {
    allClose(metrics.all([0, 0], [1, 1, 1]), { auroc: 1, auprIn: 1, auprOut: 1, fpr95: 0, autc: 0 });
    allClose(metrics.all([5, 5, 5], [5]), { auroc: 0.5, auprIn: 0.875, auprOut: 0.625, fpr95: 1, autc: Number.NaN });
    allClose(metrics.all([1, 1], [0, 0]), { auroc: 0, auprIn: 0.25, auprOut: 0.25, fpr95: 1, autc: 1 });
    allClose(metrics.all([-3], [7]), { auroc: 1, auprIn: 1, auprOut: 1, fpr95: 0, autc: 0 });
  });

  it('agrees with the definitions, pair by pair and threshold by threshold, ties included', () => {
    const random = randomNumbers(1);
    for (let round = 0; round < 200; round++) {
      const distinct = [2, 5, 20, 1e9][round % 4] as number;
      const draw = (shift: number) =>
        Array.from({ length: 1 + Math.floor(random() * 40) }, () => Math.floor(random() * distinct) + shift);
      const [idScores, oodScores] = [draw(0), draw(round % 3)];
      allClose(metrics.all(idScores, oodScores), definitions(idScores, oodScores));
      const [tpr, typed] = [random(), Float32Array.from(idScores, (score) => score % 256)];
      close(metrics.fprAtTpr(typed, oodScores, tpr), slowFprAtTpr([...typed], oodScores, tpr), `FPR at TPR ${tpr}`);
    }
  });

  it('ranks infinities and ties 0 with -0, as the reference does', () => {
    const { POSITIVE_INFINITY: high, NEGATIVE_INFINITY: low } = Number;
    const infinite = metrics.all([low, 0, high], [0, high, high]);
    close(infinite.auroc, (1 + 0.5 + 2 * (2 + 0.5)) / 9, 'AUROC');
    close(infinite.fpr95, 2 / 3, 'FPR@95TPR');
    assert.ok(Number.isNaN(infinite.autc));
    assert.equal(metrics.auroc([0, -0], [-0, 0]), 0.5);
    assert.equal(metrics.rocCurve([0, -0], [-0, 0]).thresholds.length, 2);
    assert.deepEqual(metrics.rocCurve([low], [high]).thresholds, Float64Array.of(high, high, low));
  });

  it('gives an AUTC that shifting and scaling do not change, and NaN where the range overflows', () => {
    const moved = (scores: number[]) => Float64Array.from(scores, (score) => 1000 - 0.5 * (10 - score));
    close(metrics.autc(moved(id), moved(ood)), metrics.autc(id, ood), 'AUTC');
    assert.ok(Number.isNaN(metrics.autc([-1e308], [1e308])));
  });

  it('takes the three kinds of arrays and leaves them as they are', () => {
    const expected = metrics.all(id, ood);
    for (const from of [Float32Array, Float64Array]) {
      const [typedId, typedOod] = [from.of(2, 0, 2, 1), from.of(4, 2, 3)];
      assert.deepEqual(metrics.all(typedId, typedOod), expected);
      assert.deepEqual(
        [[...typedId], [...typedOod]],
        [
          [2, 0, 2, 1],
          [4, 2, 3],
        ],
      );
    }
    assert.deepEqual(metrics.all([2, 0, 2, 1], Float32Array.from(ood)), expected);
  });

  it('gives the same numbers one by one as in one sort', () => {
    const { auroc, auprIn, auprOut, fprAtTpr, autc } = metrics;
    const single = [auroc, auprIn, auprOut, autc].map((metric) => metric(id, ood));
    const { fpr95, ...rest } = metrics.all(id, ood);
    assert.deepEqual([...single, fprAtTpr(id, ood)], [rest.auroc, rest.auprIn, rest.auprOut, rest.autc, fpr95]);
  });

  it('handles a million scores in less than two seconds', () => {
    const random = randomNumbers(2);
    const half = (shift: number) => Float32Array.from({ length: 500_000 }, () => random() + shift);
    const [idScores, oodScores] = [half(0), half(0.1)];
    const began = performance.now();
    const { auroc } = metrics.all(idScores, oodScores);
    const elapsed = performance.now() - began;
    assert.ok(elapsed < 2000, `${elapsed} ms`);
    assert.ok(Math.abs(auroc - (1 - 0.9 ** 2 / 2)) < 0.002, `AUROC of two uniform distributions 0.1 apart: ${auroc}`);
  });
});

describe('metrics.fprAtTpr', () => {
  it('takes the first threshold that reaches the rate', () => {
    const rates = [0, 0.3, 1 / 3, 0.34, 2 / 3, 0.67, 1];
    assert.deepEqual(
      rates.map((rate) => metrics.fprAtTpr(id, ood, rate)),
      [0, 0, 0, 0, 0, 0.5, 0.5],
    );
  });

  it('reads the other way round for the positive class id: OOD samples that pass once 95 % of ID are accepted', () => {
    const known = Array.from({ length: 100 }, (_, i) => i);
    assert.equal(metrics.fprAtTpr(known, [94, 94.5, 95, 200], 0.95, 'id'), 1 / 4);
    assert.equal(metrics.fprAtTpr(known, [94, 94.5, 95, 200], 0.951, 'id'), 3 / 4);
    assert.equal(metrics.fprAtTpr(known, [94, 94.5, 95, 200]), 0.06);
  });

  it('refuses a rate that is none and an unknown class', () => {
    const rate = (value: unknown) => () => metrics.fprAtTpr(id, ood, value as number);
    throwsWith(rate('0.95'), wrongType(/^tpr must be a fraction in \[0, 1\], received "0\.95"$/));
    for (const value of [95, -0.1, 1.01, Number.NaN]) throwsWith(rate(value), outOfRange(/^tpr must be a fraction/));
    throwsWith(() => metrics.fprAtTpr(id, ood, 0.9, 'out' as 'ood'), outOfRange(/^positive must be 'ood' or 'id'/));
    throwsWith(() => metrics.fprAtTpr(id, ood, 0.9, 1 as unknown as 'ood'), wrongType(/^positive must be/));
  });
});

describe('metrics.rocCurve', () => {
  it('has one point per distinct score, from (0, 0) above all of them to (1, 1)', () => {
    const { fpr, tpr, thresholds } = metrics.rocCurve(id, ood);
    assert.deepEqual(thresholds, Float64Array.of(Number.POSITIVE_INFINITY, 4, 3, 2, 1, 0));
    assert.deepEqual(fpr, Float64Array.of(0, 0, 0, 0.5, 0.75, 1));
    assert.deepEqual(tpr, Float64Array.of(0, 1 / 3, 2 / 3, 1, 1, 1));
  });

  it('is a straight line for constant scores', () => {
    const { fpr, tpr, thresholds } = metrics.rocCurve([7, 7], [7]);
    assert.deepEqual(
      [[...fpr], [...tpr], [...thresholds]],
      [
        [0, 1],
        [0, 1],
        [Number.POSITIVE_INFINITY, 7],
      ],
    );
  });

  it('encloses the AUROC', () => {
    const random = randomNumbers(3);
    const scores = Array.from({ length: 60 }, () => Math.floor(random() * 15));
    const [idScores, oodScores] = [scores.slice(0, 25), scores.slice(25)];
    const { fpr, tpr } = metrics.rocCurve(idScores, oodScores);
    const area = fpr.reduce(
      (sum, x, i) =>
        i === 0 ? 0 : sum + ((x - (fpr[i - 1] as number)) * ((tpr[i] as number) + (tpr[i - 1] as number))) / 2,
      0,
    );
    close(area, metrics.auroc(idScores, oodScores), 'AUROC');
  });
});

describe('scores that metrics refuse', () => {
  for (const name of ['auroc', 'auprIn', 'auprOut', 'fprAtTpr', 'autc', 'rocCurve', 'all'] as const) {
    const call = (first: unknown, second: unknown) => () => metrics[name](first as Scores, second as Scores);

    it(`${name} names the array and the place of a NaN`, () => {
      const expected = /^oodScores\[2\] must be a number other than NaN, received NaN/;
      throwsWith(call(id, [0, 1, Number.NaN, Number.NaN]), outOfRange(expected));
      throwsWith(call(Float32Array.of(Number.NaN), ood), outOfRange(/^idScores\[0\] must be/));
      const negative = new Float64Array(new BigUint64Array([0n, 0xfff8000000000000n]).buffer);
      throwsWith(call(negative, ood), outOfRange(/^idScores\[1\] must be/));
    });

    it(`${name} needs both classes`, () => {
      throwsWith(call([], ood), outOfRange(/^idScores\.length must be at least 1/));
      throwsWith(call(id, new Float32Array(0)), outOfRange(/^oodScores\.length must be at least 1/));
    });

    it(`${name} takes nothing but floating point arrays and arrays of numbers`, () => {
      for (const wrong of [undefined, null, 3, 'scores', { length: 1, 0: 1 }, new Int32Array(1), new Set([1])])
        throwsWith(
          call(wrong, ood),
          wrongType(/^idScores must be a Float32Array, a Float64Array or an array of numbers/),
        );
      throwsWith(call(id, [1, '2']), wrongType(/^oodScores\[1\] must be a number, received "2"/));
      throwsWith(call(id, new Array(3)), wrongType(/^oodScores\[0\] must be a number, received undefined/));
      throwsWith(call([1n], ood), wrongType(/^idScores\[0\] must be a number/));
    });
  }
});

/** The metrics as their definitions say, in O(n^2). */
function definitions(idScores: number[], oodScores: number[]): MetricValues {
  const negated = (scores: number[]) => scores.map((score) => -score);
  return {
    auroc: mean(oodScores.map((o) => mean(idScores.map((i) => (o > i ? 1 : o === i ? 0.5 : 0))))),
    auprOut: slowAreaUnderPr(oodScores, idScores),
    auprIn: slowAreaUnderPr(negated(idScores), negated(oodScores)),
    fpr95: slowFprAtTpr(idScores, oodScores, 0.95),
    autc: slowAutc(idScores, oodScores),
  };
}

function thresholdsOf(...classes: number[][]): number[] {
  return [...new Set(classes.flat())].sort((a, b) => b - a);
}

function slowAreaUnderPr(positives: number[], negatives: number[]): number {
  const points = thresholdsOf(positives, negatives).map((threshold) => {
    const found = positives.filter((score) => score >= threshold).length;
    const flagged = found + negatives.filter((score) => score >= threshold).length;
    return { recall: found / positives.length, precision: found / flagged };
  });
  let before = { recall: 0, precision: 1 };
  let area = 0;
  for (const point of points) {
    area += (point.recall - before.recall) * ((point.precision + before.precision) / 2);
    before = point;
  }
  return area;
}

function slowFprAtTpr(idScores: number[], oodScores: number[], tpr: number): number {
  const share = (scores: number[], threshold: number) =>
    scores.filter((score) => score >= threshold).length / scores.length;
  const thresholds = [Number.POSITIVE_INFINITY, ...thresholdsOf(idScores, oodScores)];
  return share(idScores, thresholds.find((threshold) => share(oodScores, threshold) >= tpr) as number);
}

/** The rates are constant between neighbouring scores, so that their integral over the thresholds is a sum of rectangles. */
function slowAutc(idScores: number[], oodScores: number[]): number {
  const scores = thresholdsOf(idScores, oodScores).reverse();
  const range = (scores.at(-1) as number) - (scores[0] as number);
  let area = 0;
  for (let i = 1; i < scores.length; i++) {
    const threshold = scores[i] as number;
    const fpr = mean(idScores.map((score) => (score >= threshold ? 1 : 0)));
    const fnr = mean(oodScores.map((score) => (score < threshold ? 1 : 0)));
    area += (threshold - (scores[i - 1] as number)) * (fpr + fnr);
  }
  return area / 2 / range;
}

function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
