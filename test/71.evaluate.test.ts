import assert from 'node:assert/strict';
import {
  type Batch,
  type Evaluation,
  type EvaluationProgress,
  type EvaluationSets,
  evaluate,
  metrics,
  NACUE,
  NacueError,
  type Score,
  type ShapedBatch,
} from 'nacue';
import { energy, maxLogit, maxSoftmax } from '../lib/baselines.js';
import { type Expected, rejectsWith, throwsWith } from './failures.js';
import { fitBatches, fixture, golden, goldenOptions, randomNumbers, scoreBatch } from './fixtures.js';

const wrongType = (message: RegExp): Expected => ({ type: TypeError, code: 'ERR_NACUE_INVALID_ARG_TYPE', message });
const outOfRange = (message: RegExp): Expected => ({ type: RangeError, code: 'ERR_NACUE_OUT_OF_RANGE', message });
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A row is one sample: its NAC-UE score, then two logits. */
type Row = [number, number, number];

const batchOf = (...rows: Row[]): ShapedBatch => ({ data: Float32Array.from(rows.flat()), shape: [rows.length, 3] });

/** Stands for a detector: reads its answers off the batch. */
const detector = {
  async score(batch: Batch): Promise<Score> {
    const { data, shape } = batch as ShapedBatch;
    const [samples] = shape as [number];
    const scores = Float32Array.from({ length: samples }, (_, row) => data[3 * row] as number);
    const logits = data.filter((_, i) => i % 3 > 0);
    await sleep(0);
    return {
      scores,
      layerScores: { data: scores, shape: [1, samples] },
      logits: { data: logits, shape: [samples, 2] },
    };
  },
};

const known = [batchOf([0, 4, 0], [1, 5, 1]), batchOf([2, 3, 3], [2, 6, 0])];
const strangers = [batchOf([2, 1, 0], [3, 4, 0], [4, 0, 0])];
const others = [batchOf([-1, 1, 2]), batchOf([5, 3, 3])];

describe('evaluate', () => {
  it('compares the four scores of one pass on every set', async () => {
    const { id, sets, means } = await evaluate(detector, { id: known, near: { strangers }, far: { others } });
    assert.deepEqual(id, { samples: 4 });
    assert.deepEqual(Object.keys(sets), ['strangers', 'others']);
    assert.deepEqual(Object.keys(means), ['near', 'far']);
    const { group, samples, ...scores } = sets.strangers as Evaluation['sets'][string];
    assert.deepEqual([group, samples], ['near', 3]);
    const sum = (a: number, b: number) => Math.log(Math.exp(a) + Math.exp(b));
    assert.deepEqual(scores.nacue, metrics.all([0, 1, 2, 2], [2, 3, 4]));
    assert.deepEqual(scores.maxLogit, metrics.all([-4, -5, -3, -6], [-1, -4, -0]));
    const energies = [
      [sum(4, 0), sum(5, 1), sum(3, 3), sum(6, 0)],
      [sum(1, 0), sum(4, 0), sum(0, 0)],
    ].map((values) => values.map((value) => -value)) as [number[], number[]];
    assert.equal(scores.energy.auroc, metrics.auroc(...energies));
    assert.equal(
      scores.maxSoftmax.auroc,
      metrics.auroc(
        [4, 4, 0, 6].map((gap) => -gap),
        [-1, -4, 0],
      ),
    );
    assert.deepEqual(means.near, scores);
  });

  it('agrees with a detector asked batch by batch', async () => {
    await using real = await NACUE.create(fixture('small.pt'), goldenOptions());
    await real.fit(fitBatches());
    const evaluation = await evaluate(real, { id: fitBatches(), far: { golden: [scoreBatch()] } });
    const idScores = (await Promise.all(fitBatches().map((batch) => real.predict(batch)))).flatMap((part) => [...part]);
    assert.deepEqual(evaluation.sets.golden?.nacue, metrics.all(idScores, golden.scores));
    assert.equal(evaluation.id.samples, 20);
    assert.ok((evaluation.sets.golden?.energy.auroc ?? -1) >= 0);
  });

  it('averages each group over its sets, whatever their sizes', async () => {
    const { sets, means } = await evaluate(detector, { id: known, far: { strangers, others } });
    assert.equal(means.near, undefined);
    for (const score of ['nacue', 'maxSoftmax', 'energy', 'maxLogit'] as const)
      for (const metric of ['auroc', 'auprIn', 'auprOut', 'fpr95', 'autc'] as const) {
        const [a, b] = [sets.strangers, sets.others].map((set) => set?.[score][metric] as number) as [number, number];
        assert.equal(means.far?.[score][metric], (a + b) / 2, `${score} ${metric}`);
      }
  });

  it('reads iterators, generators and async generators once each, in order', async () => {
    const opened: string[] = [];
    async function* slowly(name: string, batches: Batch[]) {
      opened.push(name);
      for (const batch of batches) {
        await sleep(1);
        yield batch;
      }
    }
    const expected = await evaluate(detector, { id: known, near: { strangers }, far: { others } });
    const sets = {
      far: { others: slowly('others', others) },
      near: { strangers: new Set(strangers).values() },
      id: slowly('id', known),
    };
    assert.deepEqual(await evaluate(detector, sets), expected);
    assert.deepEqual(opened, ['id', 'others']);
  });

  it('lets the producer reuse one buffer, as score copies', async () => {
    await using real = await NACUE.create(fixture('small.pt'), goldenOptions());
    await real.fit(fitBatches());
    const { data, shape } = scoreBatch();
    const size = data.length / (shape[0] as number);
    function* rows() {
      const buffer = new Float32Array(size);
      for (let start = 0; start < data.length; start += size) {
        buffer.set(data.subarray(start, start + size));
        yield buffer;
      }
    }
    const whole = await evaluate(real, { id: fitBatches(), far: { golden: [scoreBatch()] } });
    const split = await evaluate(real, { id: fitBatches(), far: { golden: rows() } });
    assert.deepEqual(split.sets.golden?.nacue, whole.sets.golden?.nacue);
  });

  it('passes over batches of no samples, also before the detector knows the number of classes', async () => {
    await using fitted = await NACUE.create(fixture('small.pt'), goldenOptions());
    await fitted.fit(fitBatches());
    const { inputShape: _, ...options } = goldenOptions();
    await using real = await NACUE.create(fixture('small.pt'), options);
    await real.fit(fitBatches());
    await using restored = await NACUE.restore(fixture('small.pt'), await real.toBuffer());
    const empty = { data: new Float32Array(0), shape: [0, 1, 8, 8] };
    assert.deepEqual((await restored.score(empty)).logits.shape, [0, 0]);
    const counts: number[] = [];
    const onProgress = ({ samples }: EvaluationProgress) => void counts.push(samples);
    const sets = { id: [empty, ...fitBatches(), empty], far: { golden: [empty, scoreBatch()] } };
    const evaluation = await evaluate(restored, sets, { onProgress });
    assert.deepEqual(evaluation, await evaluate(fitted, { id: fitBatches(), far: { golden: [scoreBatch()] } }));
    assert.deepEqual(counts, [0, 7, 14, 20, 20, 0, 5]);
    await rejectsWith(
      evaluate(restored, { id: [empty], far: { golden: [scoreBatch()] } }),
      outOfRange(/^the number of samples in 'id' must be at least 1/),
    );
  });

  it('asks for the next batch while the detector works, and never for two at once', async () => {
    let running = 0;
    const overlaps: number[] = [];
    const watched = {
      async score(batch: Batch) {
        assert.equal(++running, 1);
        await sleep(5);
        running--;
        return detector.score(batch);
      },
    };
    function* asked() {
      for (const batch of known) {
        overlaps.push(running);
        yield batch;
      }
    }
    await evaluate(watched, { id: asked(), far: { others } });
    assert.deepEqual(overlaps, [0, 1]);
  });

  it('adds the rate of the option tpr beside the 95 %', async () => {
    const { sets, means, tpr } = await evaluate(detector, { id: known, far: { strangers } }, { tpr: 0.6 });
    assert.equal(tpr, 0.6);
    assert.equal(sets.strangers?.nacue.fprAtTpr, metrics.fprAtTpr([0, 1, 2, 2], [2, 3, 4], 0.6));
    assert.notEqual(sets.strangers?.nacue.fprAtTpr, sets.strangers?.nacue.fpr95);
    assert.equal(means.far?.nacue.fprAtTpr, sets.strangers?.nacue.fprAtTpr);
  });

  it('reports progress after each batch', async () => {
    const seen: EvaluationProgress[] = [];
    await evaluate(detector, { id: known, far: { others } }, { onProgress: (progress) => seen.push(progress) });
    const counted = seen.map(({ set, samples }) => [set, samples]);
    assert.deepEqual(counted, [
      ['id', 2],
      ['id', 4],
      ['others', 1],
      ['others', 2],
    ]);
    assert.ok(seen.every(({ elapsedMs }, i) => elapsedMs >= (seen[i - 1]?.elapsedMs ?? 0)));
  });

  it('hands out what score gave, in order', async () => {
    const seen: [string, number[]][] = [];
    const onScore = (set: string, { scores }: Score) => void seen.push([set, [...scores]]);
    await evaluate(detector, { id: known, far: { others } }, { onScore });
    assert.deepEqual(seen, [
      ['id', [0, 1]],
      ['id', [2, 2]],
      ['others', [-1]],
      ['others', [5]],
    ]);
  });

  it('is plain data: JSON, clones and comparisons see no method, and an AUTC of NaN becomes null', async () => {
    const constant = [batchOf([1, 0, 0], [1, 0, 0])];
    const evaluation = await evaluate(detector, { id: constant, far: { constant, ['__proto__']: strangers } });
    assert.ok(Number.isNaN(evaluation.sets.constant?.nacue.autc));
    assert.ok(Number.isNaN(evaluation.means.far?.nacue.autc));
    const { sets } = JSON.parse(JSON.stringify(evaluation)) as Evaluation;
    assert.equal(sets.constant?.nacue.autc, null);
    assert.deepEqual(Object.keys(structuredClone(evaluation)), ['id', 'sets', 'means']);
    assert.deepEqual(Object.keys(evaluation.sets), ['constant', '__proto__']);
  });
});

describe('String(evaluation)', () => {
  it('lays out a title, the sets and the means of the groups', async () => {
    const evaluation = await evaluate(detector, { id: known, near: { strangers }, far: { others } }, { tpr: 0.995 });
    const lines = String(evaluation).split('\n');
    assert.match(lines[0] as string, /in percent/);
    assert.match(lines[1] as string, /samples .*AUROC.*AUPR-IN.*AUPR-OUT.*FPR@95TPR.*FPR@99\.5TPR.*AUTC/);
    assert.match(lines[3] as string, /^ID +4$/);
    const isFigure = (cell: string) => /^(\d+\.\d\d|-)$/.test(cell);
    const labels = lines.slice(4).map((line) =>
      line
        .trim()
        .split(/ {2,}/)
        .filter((cell) => !isFigure(cell))
        .join(' '),
    );
    const scores = ['max-softmax', 'energy', 'max-logit'];
    assert.deepEqual(labels, [
      'near-OOD',
      ...['strangers 3 NAC-UE', ...scores, 'mean NAC-UE', ...scores],
      'far-OOD',
      ...['others 2 NAC-UE', ...scores, 'mean NAC-UE', ...scores],
    ]);
    assert.match(lines[5] as string, /NAC-UE +91\.67 +95\.00 +93\.33 +50\.00 +50\.00 +28\.13$/);
    assert.equal(new Set([lines[2], lines[5], lines[6], lines[15]].map((line) => line?.length)).size, 1, 'aligned');
  });

  it('shows an undefined AUTC as a dash and leaves out a group without sets', async () => {
    const constant = [batchOf([1, 0, 0])];
    const text = String(await evaluate(detector, { id: constant, near: { constant } }));
    assert.match(text, /50\.00 +75\.00 +75\.00 +100\.00 +-$/m);
    assert.doesNotMatch(text, /far-OOD/);
  });
});

describe('evaluate refuses', () => {
  const run = (sets: unknown, options?: unknown) =>
    evaluate(detector, sets as EvaluationSets, options as Parameters<typeof evaluate>[2]);

  it('what is no detector', async () => {
    for (const wrong of [undefined, null, {}, 'small.pt'])
      await rejectsWith(
        evaluate(wrong as unknown as NACUE, { id: known, far: { others } }),
        wrongType(/^detector must/),
      );
  });

  it('a detector whose score() gives no scores, and takes one that answers at once', async () => {
    const sets = { id: known, far: { others } };
    for (const wrong of [undefined, null, 5, {}, { scores: [1, 2] }, Promise.resolve(5)])
      await rejectsWith(
        evaluate({ score: () => wrong } as never, sets),
        wrongType(/^'id', batch 1: what detector.score returns must be a Score, received /),
      );
    const answers = new Map<Batch, Score>();
    for (const batch of [...known, ...others]) answers.set(batch, await detector.score(batch));
    const atOnce = { score: (batch: Batch) => answers.get(batch) } as never;
    assert.deepEqual(await evaluate(atOnce, sets), await evaluate(detector, sets));
  });

  it('an iterator that is none, and names the set', async () => {
    const opened = (iterator: unknown) => ({ [Symbol.iterator]: () => iterator });
    for (const iterator of [null, {}])
      await rejectsWith(run({ id: opened(iterator), far: { others } }), wrongType(/^the iterator of 'id' must be/));
    const steps = opened({ next: () => undefined });
    await rejectsWith(run({ id: known, far: { steps } }), wrongType(/^what the iterator of 'steps' returns must be/));
  });

  it('sets of the wrong form', async () => {
    await rejectsWith(run(undefined), wrongType(/^sets must be an object/));
    await rejectsWith(
      run({ id: known, ood: { others } }),
      outOfRange(/^sets must be .* id, near, far, received "ood"/),
    );
    for (const wrong of [undefined, 3, 'id', new Float32Array(3), known[0]])
      await rejectsWith(run({ id: wrong, far: { others } }), wrongType(/^id must be an Iterable or AsyncIterable/));
    await rejectsWith(
      run({ id: known, far: { others: others[0] } }),
      wrongType(/^far\['others'\] must be an Iterable/),
    );
    for (const wrong of [null, new Float32Array(3), others, others.values(), new Map([['others', others]]), 'others'])
      await rejectsWith(run({ id: known, near: wrong }), wrongType(/^near must be an object of batches by the name/));
  });

  it('no OOD set at all', async () => {
    for (const sets of [{ id: known }, { id: known, near: {}, far: {} }, { id: known, far: undefined }])
      await rejectsWith(run(sets), outOfRange(/^near and far must be objects with at least one OOD set/));
  });

  it('a name that stands for two sets', async () => {
    const twice = { id: known, near: { others: strangers }, far: { others } };
    await rejectsWith(run(twice), outOfRange(/names are all different and not 'id', received "others"/));
    await rejectsWith(run({ id: known, near: { id: strangers } }), outOfRange(/received "id"/));
  });

  it('a set without samples, and names it', async () => {
    await rejectsWith(
      run({ id: [], far: { others } }),
      outOfRange(/^the number of samples in 'id' must be at least 1/),
    );
    await rejectsWith(run({ id: known, far: { others, none: [] } }), outOfRange(/^the number of samples in 'none'/));
    const once = strangers.values();
    await rejectsWith(run({ id: once, far: { again: once } }), outOfRange(/'again' .* gives its batches only once/));
  });

  it('options of the wrong type', async () => {
    const sets = { id: known, far: { others } };
    await rejectsWith(run(sets, null), wrongType(/^options must be an object/));
    await rejectsWith(run(sets, { onprogress: () => {} }), outOfRange(/^options must be .* received "onprogress"/));
    await rejectsWith(run(sets, { signal: 3 }), wrongType(/^signal must be an AbortSignal/));
    await rejectsWith(run(sets, { onProgress: 3 }), wrongType(/^onProgress must be a function/));
    await rejectsWith(run(sets, { onScore: 3 }), wrongType(/^onScore must be a function/));
    for (const name of ['signal', 'onProgress', 'onScore', 'tpr'])
      await rejectsWith(run(sets, { [name]: null }), wrongType(new RegExp(`^${name} must be .*received null$`)));
    await rejectsWith(run(sets, { tpr: '0.9' }), wrongType(/^tpr must be a fraction/));
    await rejectsWith(run(sets, { tpr: 95 }), outOfRange(/^tpr must be a fraction in \[0, 1\], received 95/));
  });

  it('before it reads anything', async () => {
    let read = 0;
    const counted = {
      *[Symbol.iterator]() {
        read++;
        yield* known;
      },
    };
    await rejectsWith(run({ id: counted, far: { others: 3 } }), wrongType(/^far/));
    await rejectsWith(run({ id: counted, far: { others } }, { tpr: 2 }), outOfRange(/^tpr/));
    assert.equal(read, 0);
  });
});

describe('evaluate ends early', () => {
  const sets = (id: Iterable<Batch> | AsyncIterable<Batch>): EvaluationSets => ({ id, far: { others } });

  it('with the reason of a signal, before, between batches and while an iterator hangs', async () => {
    const reason = new Error('enough');
    await assert.rejects(
      evaluate(detector, sets(known), { signal: AbortSignal.abort(reason) }),
      (error) => error === reason,
    );

    const between = new AbortController();
    const seen: EvaluationProgress[] = [];
    const onProgress = (progress: EvaluationProgress) => {
      seen.push(progress);
      between.abort(reason);
    };
    await assert.rejects(
      evaluate(detector, sets(known), { signal: between.signal, onProgress }),
      (error) => error === reason,
    );
    assert.equal(seen.length, 1);

    const hanging = new AbortController();
    const never = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) };
    setTimeout(() => hanging.abort(reason), 5);
    await assert.rejects(evaluate(detector, sets(never), { signal: hanging.signal }), (error) => error === reason);
  });

  it('with that very reason, while the detector works and after the last batch', async () => {
    const reason = new NacueError('ERR_NACUE_CLOSED', 'our server stops');
    const working = new AbortController();
    const slow = {
      score: (_: Batch, { signal }: { signal?: AbortSignal } = {}): Promise<Score> =>
        new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason))),
    };
    setTimeout(() => working.abort(reason), 5);
    await assert.rejects(evaluate(slow, sets(known), { signal: working.signal }), (error) => error === reason);

    const last = new AbortController();
    const onProgress = ({ set, samples }: EvaluationProgress) => {
      if (set === 'others' && samples === 2) last.abort(reason);
    };
    const call = evaluate(detector, sets(known), { signal: last.signal, onProgress });
    await assert.rejects(call, (error) => error === reason);
  });

  it('with what an iterator or a callback throws, and closes the iterator', async () => {
    let closed = 0;
    const failure = new Error('disk gone');
    function* failing(fails: boolean) {
      try {
        yield* known;
        if (fails) throw failure;
      } finally {
        closed++;
      }
    }
    const fail = () => {
      throw failure;
    };
    const seen: EvaluationProgress[] = [];
    const onProgress = (progress: EvaluationProgress) => void seen.push(progress);
    await assert.rejects(evaluate(detector, sets(failing(true)), { onProgress }), (error) => error === failure);
    assert.equal(seen.length, 2, 'the batch under way was awaited');
    await sleep(5);
    assert.equal(seen.length, 2, 'nothing is called after the rejection');
    await assert.rejects(evaluate(detector, sets(failing(false)), { onProgress: fail }), (error) => error === failure);
    await assert.rejects(evaluate(detector, sets(failing(false)), { onScore: fail }), (error) => error === failure);
    assert.equal(closed, 3);
  });

  it('when the detector fails, naming set and batch, although the iterator hangs', async () => {
    async function* endless() {
      yield* known;
      await new Promise(() => {});
    }
    let calls = 0;
    const failing = {
      async score(batch: Batch): Promise<Score> {
        if (++calls < 2) return detector.score(batch);
        throw new NacueError('ERR_NACUE_MODEL_RUN', 'the model failed', { detail: 'stack' });
      },
    };
    const expected = { code: 'ERR_NACUE_MODEL_RUN', message: /^'id', batch 2: the model failed$/ } as const;
    const error = await rejectsWith(evaluate(failing, sets(endless())), expected);
    assert.equal((error as NacueError).detail, 'stack');
    assert.equal((error.cause as Error).message, 'the model failed');
  });

  it('with the class and code of a wrong batch, of a detector without a fit or closed', async () => {
    const real = await NACUE.create(fixture('small.pt'), goldenOptions());
    const one = sets(fitBatches());
    await rejectsWith(evaluate(real, one), { code: 'ERR_NACUE_NOT_FITTED', message: /^'id', batch 1: / });
    await real.fit(fitBatches());
    const wrong = { id: fitBatches(), far: { wrong: [scoreBatch(), batchOf([1, 2, 3])] } };
    await rejectsWith(evaluate(real, wrong), {
      type: RangeError,
      code: 'ERR_NACUE_SHAPE',
      message: /^'wrong', batch 2: batch\.shape must be/,
    });
    const noBatch = { id: fitBatches(), far: { wrong: [3 as unknown as Batch] } };
    await rejectsWith(evaluate(real, noBatch), wrongType(/^'wrong', batch 1: batch must be/));
    await real.close();
    await rejectsWith(evaluate(real, one), { code: 'ERR_NACUE_CLOSED', message: /^'id', batch 1: / });
  });

  it('when logits have no scores, naming the sample', async () => {
    const broken = [batchOf([0, 1, 2]), batchOf([0, 1, 1], [0, Number.NaN, 1])];
    await rejectsWith(evaluate(detector, { id: known, far: { broken } }), {
      code: 'ERR_NACUE_NON_FINITE',
      message: /^sample 2 of 'broken' has no maxSoftmax score: its logits hold NaN or infinity/,
    });
  });
});

describe('baselines', () => {
  const logits = { data: Float32Array.of(1, 2, 3, 0, 0, 0), shape: [2, 3] };
  const near = (actual: Float64Array, expected: number[]) => {
    for (const [i, value] of actual.entries()) assert.ok(Math.abs(value - (expected[i] as number)) < 1e-15, `${value}`);
  };

  it('are minus the largest probability, the free energy and minus the largest logit', () => {
    const sum = Math.exp(1) + Math.exp(2) + Math.exp(3);
    near(maxSoftmax(logits), [-Math.exp(3) / sum, -1 / 3]);
    near(energy(logits), [-Math.log(sum), -Math.log(3)]);
    near(maxLogit(logits), [-3, 0]);
  });

  it('neither overflow nor round to 1 what float32 would', () => {
    const large = { data: Float32Array.of(1000, 999, -1000, -1001, 20, 0, 21, 0), shape: [4, 2] };
    const sure = 1 / (1 + Math.exp(-1));
    near(maxSoftmax(large).subarray(0, 2), [-sure, -sure]);
    const energies = energy(large);
    assert.ok(Math.abs((energies[0] as number) + 1000 + Math.log(1 + Math.exp(-1))) < 1e-12);
    assert.ok(Math.abs((energies[1] as number) - 1000 + Math.log(1 + Math.exp(-1))) < 1e-12);
    const [twenty, twentyOne] = maxSoftmax(large).subarray(2) as unknown as [number, number];
    assert.ok(twenty > twentyOne && Math.fround(twenty) === -1 && Math.fround(twentyOne) === -1);
  });

  it('do not change by more than rounding when a batch is split', () => {
    const random = randomNumbers(4);
    const data = Float32Array.from({ length: 60 }, () => 10 * random() - 5);
    for (const score of [maxSoftmax, energy, maxLogit]) {
      const halves = [data.subarray(0, 30), data.subarray(30)].map((half) => score({ data: half, shape: [3, 10] }));
      assert.deepEqual(score({ data, shape: [6, 10] }), Float64Array.from(halves.flatMap((half) => [...half])));
    }
  });

  it('refuse what are no logits', () => {
    for (const score of [maxSoftmax, energy, maxLogit]) {
      throwsWith(() => score(undefined as never), wrongType(/^logits must be \{ data/));
      throwsWith(() => score({ data: [1, 2] as never, shape: [1, 2] }), wrongType(/^logits must be/));
      const shape: Expected = {
        type: RangeError,
        code: 'ERR_NACUE_SHAPE',
        message: /^logits must have the shape \[B, C\]/,
      };
      for (const wrong of [[6], [2, 2], [1, 2, 3], [6, 0]]) throwsWith(() => score({ ...logits, shape: wrong }), shape);
    }
  });
});
