import assert from 'node:assert/strict';
import { type Batch, type FitProgress, NACUE } from 'nacue';
import { rejectsWith, throwsWith } from './failures.js';
import { fitBatches, fitRows, fixture, golden, goldenOptions, sampleShape, scoreBatch } from './fixtures.js';

const create = () => NACUE.create(fixture('small.pt'), goldenOptions());
const createSlow = () => NACUE.create(fixture('slow.pt'), { layers: ['stem'], inputShape: sampleShape });
const slowBatch = () => new Float32Array(64).fill(0.5);
const state = (detector: NACUE) => [
  detector.fitted,
  detector.samples,
  golden.layers.map((layer) => detector.counts(layer).data),
];
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('detector.fit', () => {
  it('starts from zero, partialFit adds', async () => {
    await using detector = await create();
    await detector.partialFit([fitRows(0, 7)]);
    assert.equal(detector.samples, 7);
    await detector.partialFit([fitRows(7, 14), fitRows(14, 20)]);
    assert.deepEqual(Array.from(detector.counts('conv1').data, Number), golden.counts[0]);
    await detector.fit([fitRows(0, 7)]);
    assert.equal(detector.samples, 7);
    assert.equal(await detector.fit(fitBatches()), detector);
    assert.deepEqual(Array.from(detector.counts('fc').data, Number), golden.counts[3]);
  });

  it('takes iterators, generators and async generators, each once', async () => {
    await using detector = await create();
    const generators: (() => Iterable<Batch> | AsyncIterable<Batch>)[] = [
      () => new Set(fitBatches()),
      () => fitBatches().values(),
      async function* () {
        for (const batch of fitBatches()) {
          await sleep(1);
          yield batch;
        }
      },
    ];
    for (const batches of generators) {
      await detector.fit(batches());
      assert.deepEqual(Array.from(await detector.predict(scoreBatch())), golden.scores);
    }
  });

  it('reports progress after each batch', async () => {
    await using detector = await create();
    const seen: FitProgress[] = [];
    await detector.fit(fitBatches(), { onProgress: (progress) => seen.push(progress) });
    assert.deepEqual(
      seen.map(({ batches, samples }) => [batches, samples]),
      [
        [1, 7],
        [2, 14],
        [3, 20],
      ],
    );
    assert.ok(seen.every(({ elapsedMs }, i) => elapsedMs > (seen[i - 1]?.elapsedMs ?? 0)));
  });

  it('lets the producer reuse one buffer for all batches', async () => {
    await using detector = await create();
    const buffer = new Float32Array(64);
    await detector.fit(
      (function* () {
        for (let row = 0; row < 20; ++row) {
          buffer.set(fitRows(row, row + 1).data);
          yield buffer;
        }
      })(),
    );
    assert.deepEqual(Array.from(detector.counts('layer1').data, Number), golden.counts[1]);
  });

  it('takes what for await takes: an iterator whose asyncIterator is there but undefined or null', async () => {
    await using detector = await create();
    for (const none of [undefined, null]) {
      const batches = {
        [Symbol.asyncIterator]: none,
        *[Symbol.iterator]() {
          yield* fitBatches();
        },
      };
      await detector.fit(batches as unknown as Iterable<Batch>);
      assert.deepEqual(Array.from(await detector.predict(scoreBatch())), golden.scores);
    }
  });

  for (const method of ['fit', 'partialFit'] as const) {
    describe(`${method} is all or nothing`, () => {
      let detector: NACUE;
      let before: unknown;
      beforeEach(async () => {
        detector = await create();
        await detector.fit(fitBatches());
        before = state(detector);
      });
      afterEach(async () => {
        assert.deepEqual(state(detector), before);
        assert.deepEqual(Array.from(await detector.predict(scoreBatch())), golden.scores);
        await detector.close();
      });

      it('when there is no batch', () =>
        rejectsWith(detector[method]([]), { code: 'ERR_NACUE_EMPTY_FIT', message: /no samples/ }));

      it('when all batches are empty', () =>
        rejectsWith(detector[method]([{ data: new Float32Array(0), shape: [0, ...sampleShape] }]), {
          code: 'ERR_NACUE_EMPTY_FIT',
          message: /no samples/,
        }));

      it('when the iterator throws half-way', async () => {
        const failure = new Error('disk on fire');
        let returned = false;
        const batches: Iterable<Batch> = {
          [Symbol.iterator]() {
            let count = 0;
            return {
              next: () => {
                if (count++ === 2) throw failure;
                return { done: false, value: fitRows(0, 5) };
              },
              return: () => {
                returned = true;
                return { done: true, value: undefined };
              },
            };
          },
        };
        await assert.rejects(detector[method](batches), (error) => error === failure);
        assert.ok(returned);
      });

      it('when an async iterator rejects half-way', async () => {
        const failure = new Error('connection lost');
        const batches = async function* () {
          yield fitRows(0, 5);
          await sleep(1);
          throw failure;
        };
        await assert.rejects(detector[method](batches()), (error) => error === failure);
      });

      it('when onProgress throws', async () => {
        const failure = new Error('not that far');
        const onProgress = ({ batches }: FitProgress) => {
          if (batches === 2) throw failure;
        };
        await assert.rejects(detector[method](fitBatches(), { onProgress }), (error) => error === failure);
      });

      it('when a batch half-way is bad, and closes the generator', async () => {
        let closed = false;
        const batches = function* () {
          try {
            yield fitRows(0, 5);
            yield new Float32Array(64).fill(Number.NaN);
            for (;;) yield fitRows(0, 5);
          } finally {
            closed = true;
          }
        };
        await rejectsWith(detector[method](batches()), { code: 'ERR_NACUE_NON_FINITE', message: /rows: 0$/ });
        assert.ok(closed);
      });

      it('when it is aborted half-way, also while the iterator hangs', async () => {
        const controller = new AbortController();
        const reason = new Error('enough');
        const batches = async function* () {
          yield fitRows(0, 5);
          controller.abort(reason);
          await new Promise(() => {});
        };
        const { signal } = controller;
        await assert.rejects(detector[method](batches(), { signal }), (error) => error === reason);
      });

      it('when the iterator is none', async () => {
        const opened = (iterator: unknown) => ({ [Symbol.iterator]: () => iterator }) as Iterable<Batch>;
        const openedAsync = (iterator: unknown) => ({ [Symbol.asyncIterator]: () => iterator }) as AsyncIterable<Batch>;
        const wrongType = (message: RegExp) =>
          ({ type: TypeError, code: 'ERR_NACUE_INVALID_ARG_TYPE', message }) as const;
        for (const iterator of [null, undefined, 5, {}, { next: 5 }])
          for (const batches of [opened(iterator), openedAsync(iterator)])
            await rejectsWith(
              detector[method](batches),
              wrongType(/^the iterator of batches must be an object with a method next\(\), received /),
            );
        for (const step of [undefined, null, 5, 'batch'])
          for (const batches of [opened({ next: () => step }), openedAsync({ next: async () => step })])
            await rejectsWith(
              detector[method](batches),
              wrongType(/^what the iterator of batches returns must be an object with value and done, received /),
            );
      });

      it('when what is given is no iterable', async () => {
        const halves = [{ [Symbol.iterator]: 5 }, { [Symbol.asyncIterator]: undefined }];
        for (const batches of [undefined, null, 5, 'abc', scoreBatch(), new Float32Array(64), ...halves]) {
          await rejectsWith(detector[method](batches as unknown as Iterable<Batch>), {
            type: TypeError,
            code: 'ERR_NACUE_INVALID_ARG_TYPE',
            message: /^batches must be an Iterable or AsyncIterable of batches, received /,
          });
        }
      });
    });
  }

  it('keeps a first fit from counting when it fails', async () => {
    await using detector = await create();
    await assert.rejects(detector.fit([...fitBatches(), new Float32Array(3)]));
    assert.equal(detector.fitted, false);
    await rejectsWith(detector.predict(scoreBatch()), { code: 'ERR_NACUE_NOT_FITTED', message: /call fit\(\)/ });
  });

  it('refuses a call from inside its own iterator, which would wait for ever', async () => {
    await using detector = await create();
    await detector.fit(fitBatches());
    const batches = async function* () {
      yield fitRows(0, 5);
      await detector.predict(scoreBatch());
    };
    await rejectsWith(detector.fit(batches()), { code: 'ERR_NACUE_REENTRANT', message: /iterator of its own fit/ });
  });
});

describe('calls before a fit', () => {
  it('are refused where they need counts', async () => {
    await using detector = await create();
    const expected = { code: 'ERR_NACUE_NOT_FITTED', message: /no counts yet/ } as const;
    await rejectsWith(detector.predict(scoreBatch()), expected);
    await rejectsWith(detector.score(scoreBatch()), expected);
    assert.throws(() => detector.counts('conv1'), { name: 'NacueError', code: 'ERR_NACUE_NOT_FITTED' });
    assert.deepEqual([detector.fitted, detector.samples, detector.device, detector.closed], [false, 0, 'cpu', false]);
  });

  it('know neurons and shapes from inputShape, else from the first batch', async () => {
    await using detector = await create();
    assert.deepEqual(detector.layers[0], {
      name: 'conv1',
      mBins: 12,
      alpha: 600,
      oStar: 18,
      featureReduce: 'auto',
      weight: 1,
      neurons: 4,
      outputShape: [4, 8, 8],
    });
    await using blind = await NACUE.create(fixture('small.pt'), { layers: ['conv1'] });
    assert.deepEqual([blind.layers[0]?.neurons, blind.layers[0]?.outputShape], [undefined, undefined]);
    await blind.fit(fitBatches());
    assert.equal(blind.layers[0]?.neurons, 4);
  });
});

describe('detector.counts', () => {
  it('is a copy and knows only its layers', async () => {
    await using detector = await create();
    await detector.fit(fitBatches());
    detector.counts('conv1').data.fill(7n);
    assert.deepEqual(Array.from(detector.counts('conv1').data, Number), golden.counts[0]);
    assert.throws(() => detector.counts('bn1'), { code: 'ERR_NACUE_LAYER_NOT_FOUND', message: /'conv1', 'layer1'/ });
  });

  it('refuses what is no name', async () => {
    await using detector = await create();
    for (const layer of [undefined, null, 0, Symbol('conv1'), ['conv1']])
      throwsWith(() => detector.counts(layer as never), {
        type: TypeError,
        code: 'ERR_NACUE_INVALID_ARG_TYPE',
        message: /^layer must be the name of a layer, received /,
      });
  });
});

describe('concurrent calls', () => {
  it('give the serial results: 32 predictions on one detector', async () => {
    await using detector = await create();
    await detector.fit(fitBatches());
    const batches = Array.from({ length: 32 }, (_, i) => fitRows(i % 13, (i % 13) + 1 + (i % 7)));
    const serial: Float32Array[] = [];
    for (const batch of batches) serial.push(await detector.predict(batch));
    assert.deepEqual(await Promise.all(batches.map((batch) => detector.predict(batch))), serial);
  });

  it('run in call order around a fit', async () => {
    await using detector = await create();
    const events: string[] = [];
    const log = (name: string) => () => events.push(name);
    await Promise.all([
      detector.fit([fitRows(0, 7)]).then(log('fit')),
      detector.predict(scoreBatch()).then(log('predict')),
      detector.partialFit([fitRows(7, 14), fitRows(14, 20)]).then(log('partialFit')),
      detector.predict(scoreBatch()).then((scores) => {
        assert.deepEqual(Array.from(scores), golden.scores);
        events.push('predict 2');
      }),
      detector.to('cpu').then(log('to')),
    ]);
    assert.deepEqual(events, ['fit', 'predict', 'partialFit', 'predict 2', 'to']);
  });

  it('run beside each other on two detectors', async () => {
    await using slow = await createSlow();
    await using quick = await create();
    await quick.fit(fitBatches());
    let slowIsDone = false;
    const running = slow.fit([slowBatch(), slowBatch()]).then(() => {
      slowIsDone = true;
    });
    await quick.predict(scoreBatch());
    assert.equal(slowIsDone, false);
    await running;
  });
});

describe('an AbortSignal', () => {
  const reason = new Error('no longer wanted');

  it('that is aborted already rejects before anything is done', async () => {
    const signal = AbortSignal.abort(reason);
    const isReason = (error: unknown) => error === reason;
    await assert.rejects(NACUE.create(fixture('small.pt'), { ...goldenOptions(), signal }), isReason);
    await using detector = await create();
    await assert.rejects(detector.fit(fitBatches(), { signal }), isReason);
    await detector.fit(fitBatches());
    await assert.rejects(detector.predict(scoreBatch(), { signal }), isReason);
    await assert.rejects(detector.score(scoreBatch(), { signal }), isReason);
  });

  it('drops a queued call and leaves the others', async () => {
    await using detector = await createSlow();
    await detector.fit([slowBatch()]);
    const beganTwo = performance.now();
    await Promise.all([detector.predict(slowBatch()), detector.predict(slowBatch())]);
    const two = performance.now() - beganTwo;
    const controller = new AbortController();
    const began = performance.now();
    const first = detector.predict(slowBatch());
    const queued = Array.from({ length: 40 }, () => detector.predict(slowBatch(), { signal: controller.signal }));
    const last = detector.predict(slowBatch());
    controller.abort(reason);
    for (const call of queued) await assert.rejects(call, (error) => error === reason);
    await Promise.all([first, last]);
    assert.ok(performance.now() - began < 8 * two, 'the dropped calls were run');
  });

  it('rejects a running call at once; the detector goes on', async () => {
    await using detector = await createSlow();
    await detector.fit([slowBatch()]);
    const signal = AbortSignal.timeout(2);
    await assert.rejects(detector.predict(slowBatch(), { signal }), { name: 'TimeoutError' });
    assert.equal((await detector.predict(slowBatch())).length, 1);
  });

  it('rejects a fit that waits for another one', async () => {
    await using detector = await createSlow();
    const first = detector.fit([slowBatch(), slowBatch(), slowBatch()]);
    const second = detector.fit([slowBatch()], { signal: AbortSignal.timeout(10) });
    await assert.rejects(second, { name: 'TimeoutError' });
    await first;
    assert.equal(detector.samples, 3);
  });

  it('ends a create that is loading', async () => {
    const controller = new AbortController();
    const creating = NACUE.create(fixture('slow.pt'), {
      layers: ['stem'],
      inputShape: sampleShape,
      signal: controller.signal,
    });
    setImmediate(() => controller.abort(reason));
    await assert.rejects(creating, (error) => error === reason);
  });
});

describe('detector.close', () => {
  it('is idempotent and refuses later calls', async () => {
    const detector = await create();
    await detector.fit(fitBatches());
    const first = detector.close();
    assert.equal(detector.closed, true);
    await Promise.all([first, detector.close()]);
    await detector.close();
    const expected = { code: 'ERR_NACUE_CLOSED', message: /the detector was closed/ } as const;
    await rejectsWith(detector.predict(scoreBatch()), expected);
    await rejectsWith(detector.score(scoreBatch()), expected);
    await rejectsWith(detector.fit(fitBatches()), expected);
    await rejectsWith(detector.partialFit(fitBatches()), expected);
    await rejectsWith(detector.to('cpu'), expected);
    assert.throws(() => detector.counts('conv1'), { code: 'ERR_NACUE_CLOSED' });
    assert.deepEqual([detector.fitted, detector.samples, detector.device], [true, 20, 'cpu']);
  });

  it('lets queued calls finish', async () => {
    const detector = await create();
    await detector.fit(fitBatches());
    const calls = Array.from({ length: 8 }, () => detector.predict(scoreBatch()));
    await detector.close();
    for (const scores of await Promise.all(calls)) assert.deepEqual(Array.from(scores), golden.scores);
  });

  it('ends a running fit', async () => {
    const detector = await create();
    const endless = function* () {
      for (;;) yield fitRows(0, 5);
    };
    const fitting = detector.fit(endless());
    const rejected = rejectsWith(fitting, { code: 'ERR_NACUE_CLOSED', message: /closed/ });
    await sleep(20);
    await detector.close();
    await rejected;
  });
});
