import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { NACUE, type NACUEOptions, type ShapedBatch, type StateSource } from 'nacue';
import { type Expected, rejectsWith, throwsWith } from './failures.js';
import { fixture, golden, randomNumbers, sampleShape, scoreBatch } from './fixtures.js';
import { editMetadata, editState, readStateFile } from './state-mutation/state-file.js';
import { bitsOf, copyOf, expectNoWarnings, goldenDetector, goldenState, randomRows, rowsOf } from './states.js';

const small = fixture('small.pt');
const samples = 70;
const data = randomRows(samples, sampleShape, 70);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nacue-merge-'));
after(() => fs.rmSync(folder, { recursive: true }));

/** Cuts the data at random places into `count` parts, each with at least one sample. */
function partition(count: number, random: () => number): ShapedBatch[] {
  const places = shuffled(
    Array.from({ length: samples - 1 }, (_, i) => i + 1),
    random,
  );
  const cuts = [0, ...places.slice(0, count - 1).sort((a, b) => a - b), samples];
  return cuts.slice(1).map((end, i) => rowsOf(data, cuts[i] as number, end));
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; --last) {
    const other = Math.floor(random() * (last + 1));
    [result[last], result[other]] = [result[other] as T, result[last] as T];
  }
  return result;
}

/** Merges in groups of random sizes until one state is left. */
function mergeTree(states: StateSource[], random: () => number): Uint8Array {
  let level = states;
  do {
    const next: Uint8Array[] = [];
    for (let begin = 0; begin < level.length; ) {
      const end = begin + 1 + Math.floor(random() * 4);
      next.push(NACUE.merge(level.slice(begin, end)));
      begin = end;
    }
    level = next;
  } while (level.length > 1);
  return level[0] as Uint8Array;
}

describe('NACUE.merge', () => {
  const settings: [string, Partial<NACUEOptions>][] = [
    ['with the defaults', {}],
    ['with preset openood', { preset: 'openood', alpha: 40 }],
    ['with uniform bins, M odd', { binning: 'uniform', mBins: 7 }],
    ['with logit bins and the layers reversed', { binning: 'logit', layers: golden.layers.toReversed() }],
    ['with every element a neuron', { featureReduce: ['flatten', 'max-abs', 'sum', 'mean'] }],
  ];
  for (const [name, options] of settings) {
    describe(name, () => {
      let detector: NACUE;
      let whole: Uint8Array;
      before(async () => {
        detector = await goldenDetector(options);
        await detector.fit([data]);
        whole = await detector.toBuffer();
      });
      after(() => detector.close());

      for (const shards of [1, 2, 7, 64]) {
        it(`gives the bytes of one fit from ${shards} shards in any order and grouping`, async () => {
          const random = randomNumbers(shards);
          const states: Uint8Array[] = [];
          for (const rows of partition(shards, random)) {
            await detector.fit([rows]);
            states.push(await detector.toBuffer());
          }
          for (let time = 0; time < 4; ++time) {
            const order = shuffled(states, random);
            assert.deepEqual(NACUE.merge(order), whole);
            assert.deepEqual(mergeTree(order, random), whole);
          }
        });
      }

      it('gives the bytes of one fit from partialFit in any split', async () => {
        const random = randomNumbers(3);
        for (const batches of [1, 2, 5, 33, 70]) {
          const [first, ...others] = partition(batches, random) as [ShapedBatch, ...ShapedBatch[]];
          await detector.fit([first]);
          for (let at = 0; at < others.length; ) {
            const end = at + 1 + Math.floor(random() * 6);
            await detector.partialFit(others.slice(at, end));
            at = end;
          }
          assert.deepEqual(await detector.toBuffer(), whole);
        }
      });

      it('gives a detector that scores like one fit', async () => {
        await detector.fit([rowsOf(data, 0, 31)]);
        const first = await detector.toBuffer();
        await detector.fit([rowsOf(data, 31, samples)]);
        await using restored = await NACUE.restore(small, NACUE.merge([await detector.toBuffer(), first]));
        await detector.fit([data]);
        assert.equal(restored.samples, samples);
        assert.equal(bitsOf(await restored.predict(scoreBatch())), bitsOf(await detector.predict(scoreBatch())));
      });
    });
  }
});

describe('NACUE.merge of', () => {
  let state: Uint8Array;
  before(async () => {
    state = await goldenState();
  });

  it('one state gives its bytes', () => assert.deepEqual(NACUE.merge([state]), state));

  it('the same state n times gives n times the counts', () => {
    const merged = readStateFile(NACUE.merge([state, state, state]));
    assert.equal(merged.metadata.samples, '60');
    const counts = new BigInt64Array(Uint8Array.from((merged.tensors[0] as { bytes: Buffer }).bytes).buffer);
    assert.deepEqual(
      Array.from(counts, Number),
      golden.counts[0]?.map((count) => 3 * count),
    );
  });

  it('paths and bytes of every kind, in any mixture, leaves them as they are', () => {
    const file = path.join(folder, 'part');
    fs.writeFileSync(file, state);
    const shared = new Uint8Array(new SharedArrayBuffer(state.length + 1), 1);
    shared.set(state);
    const odd = Buffer.concat([Buffer.alloc(3), state]).subarray(3);
    const kept = copyOf(state);
    const merged = NACUE.merge([file, state, shared, Buffer.from(state), odd]);
    assert.equal(readStateFile(merged).metadata.samples, '100');
    for (const source of [state, shared, odd, fs.readFileSync(file)]) assert.deepEqual(copyOf(source), kept);
  });

  it('calibrated states drops the thresholds, of a single one too', async () => {
    await using detector = await goldenDetector();
    await detector.calibrate([scoreBatch()]);
    const calibrated = await detector.toBuffer();
    assert.ok(readStateFile(calibrated).metadata.threshold);
    assert.deepEqual(NACUE.merge([calibrated]), state);
    const twice = NACUE.merge([state, state]);
    assert.deepEqual(NACUE.merge([calibrated, state]), twice);
    assert.deepEqual(NACUE.merge([state, calibrated]), twice);
    await using restored = await NACUE.restore(small, twice);
    assert.equal(restored.threshold, undefined);
  });

  it('states of which some know the shape of a sample gives one that does', () => {
    const blind = editMetadata(state, { input_shape: undefined });
    const twice = NACUE.merge([state, state]);
    assert.deepEqual(NACUE.merge([blind, state]), twice);
    assert.deepEqual(NACUE.merge([state, blind]), twice);
    assert.equal(readStateFile(NACUE.merge([blind, blind])).metadata.input_shape, undefined);
  });

  it('states of several versions names each once, in order', () => {
    const of = (libtorch_version: string, nacue_version: string) =>
      editMetadata(state, { libtorch_version, nacue_version });
    const [a, b, c] = [of('2.15.0', '0.2.0'), of('2.11.0+cpu', '0.1.0'), of('2.15.0', '0.1.0')];
    const merged = NACUE.merge([a, b, c]);
    const { libtorch_version, nacue_version } = readStateFile(merged).metadata;
    assert.deepEqual([libtorch_version, nacue_version], ['2.11.0+cpu, 2.15.0', '0.1.0, 0.2.0']);
    assert.deepEqual(NACUE.merge([NACUE.merge([c, a]), b]), merged);
    assert.deepEqual(NACUE.merge([b, NACUE.merge([c, a])]), merged);
  });

  it('states that do not know their model gives one that does not', () => {
    const unknown = editMetadata(state, { model_sha256: undefined });
    assert.equal(readStateFile(NACUE.merge([unknown, unknown])).metadata.model_sha256, undefined);
  });

  it('a file in another order of tensors gives the order of the layers', () => {
    const reversed = editState(state, (parts) => void parts.tensors.reverse());
    assert.notDeepEqual(Buffer.from(reversed), Buffer.from(state));
    assert.deepEqual(NACUE.merge([reversed]), state);
    assert.deepEqual(NACUE.merge([reversed, state]), NACUE.merge([state, state]));
  });
});

describe('NACUE.merge refuses', () => {
  expectNoWarnings();
  let state: Uint8Array;
  let other: Record<'mBins' | 'neurons' | 'layers' | 'binning' | 'model', Uint8Array>;
  before(async () => {
    state = await goldenState();
    await using traced = await NACUE.restore(fixture('small_traced.pt'), state, { allowModelMismatch: true });
    other = {
      mBins: await goldenState({ mBins: [12, 12, 12, 14] }),
      neurons: editMetadata(await goldenState({ featureReduce: 'flatten' }), {
        reduce: '["auto","auto","auto","auto"]',
      }),
      layers: await goldenState({ layers: golden.layers.toReversed() }),
      binning: await goldenState({ binning: 'uniform' }),
      model: await traced.toBuffer(),
    };
  });
  const edited = (changes: Record<string, string | undefined>) => () => editMetadata(state, changes);
  const fourth = (list: string[], value: string) => `[${[...list.slice(0, 3), value].join(',')}]`;
  const ones = ['1', '1', '1', '1'];
  const autos = ['"auto"', '"auto"', '"auto"', '"auto"'];

  const cases: [string, () => Uint8Array, RegExp][] = [
    ['another preset', edited({ preset: 'openood' }), /preset is 'openood', not 'pytorch-ood'$/],
    ['another binning', () => other.binning, /binning is 'uniform', not 'geometric'$/],
    ['another aggregation', edited({ aggregation: 'mean' }), /aggregation is 'mean', not 'sum'$/],
    ['another mode', edited({ mode: 'fast', precision: 'float32' }), /mode is 'fast', not 'parity'$/],
    ['other layers', () => other.layers, /the name of a layer is 'fc', not 'conv1'$/],
    ['fewer layers', () => dropLayer(state), /the number of layers is 3, not 4$/],
    ['another mBins', () => other.mBins, /m_bins of layer 'fc' is 14, not 12$/],
    ['other neurons', () => other.neurons, /the number of neurons of layer 'conv1' is 256, not 4$/],
    [
      'another alpha',
      edited({ alpha: '[600, 600.0000000000001, 600, 600]' }),
      /alpha of layer 'layer1' is 600\.0000000000001, not 600$/,
    ],
    ['another oStar', edited({ o_star: '[18, 18, 18, 19]' }), /o_star of layer 'fc' is 19, not 18$/],
    ['another reduce', edited({ reduce: fourth(autos, '"sum"') }), /reduce of layer 'fc' is 'sum', not 'auto'$/],
    ['other weights', edited({ layer_weights: fourth(ones, '0.5') }), /the weight of layer 'fc' is 0\.5, not 1$/],
    ['another order of execution', edited({ execution_order: '[0,1,3,2]' }), /ran the layers in another order$/],
    ['another output', edited({ output: '0' }), /output differs$/],
    ['another shape of a sample', edited({ input_shape: '[1,9,9]' }), /input_shape differs$/],
    ['another model', () => other.model, /model_sha256 is '[0-9a-f]{64}', not '[0-9a-f]{64}'$/],
    ['an unknown model', edited({ model_sha256: undefined }), /one says which model was fitted .* the other does not/],
    ['other edges', () => nudgeEdge(state), /the edges of layer 'conv1' differ$/],
  ];
  for (const [name, make, message] of cases) {
    it(name, () => {
      const different = make();
      NACUE.merge([different]);
      const expected = { code: 'ERR_NACUE_STATE_MISMATCH', message } as const;
      const { message: line } = throwsWith(() => NACUE.merge([state, state, different, state]), expected);
      assert.match(line, /^state 3 of 4 does not fit those before it: /);
      throwsWith(() => NACUE.merge([different, state]), { ...expected, message: /^state 2 of 2 does not fit/ });
      assert.deepEqual(NACUE.merge([state]), state);
    });
  }

  it('another precision', () => {
    const [tf32, bfloat16] = ['tf32', 'bfloat16'].map((precision) => editMetadata(state, { mode: 'fast', precision }));
    const twice = NACUE.merge([tf32 as Uint8Array, tf32 as Uint8Array]);
    assert.deepEqual(readStateFile(twice).metadata.precision, 'tf32');
    throwsWith(() => NACUE.merge([twice, bfloat16 as Uint8Array]), {
      code: 'ERR_NACUE_STATE_MISMATCH',
      message: /^state 2 of 2 does not fit those before it: precision is 'bfloat16', not 'tf32'$/,
    });
  });

  it('a shape that fits neither of two known ones, wherever the unknown stands', () => {
    const blind = editMetadata(state, { input_shape: undefined });
    const wide = editMetadata(state, { input_shape: '[1,9,9]' });
    const expected = { code: 'ERR_NACUE_STATE_MISMATCH', message: /input_shape differs$/ } as const;
    for (const states of [
      [blind, state, wide],
      [state, blind, wide],
      [blind, wide, state],
    ]) {
      throwsWith(() => NACUE.merge(states), expected);
    }
  });

  it('more samples than a number can count', () => {
    const most = Number.MAX_SAFE_INTEGER;
    const full = countedState(state, BigInt(most));
    assert.deepEqual(Buffer.from(NACUE.merge([full])), full);
    const expected = { code: 'ERR_NACUE_STATE_INVALID', message: /more than 2\^53 - 1 samples/ } as const;
    throwsWith(() => NACUE.merge([full, state]), expected);
    const half = countedState(state, BigInt(most) / 2n);
    const sum = NACUE.merge([half, half]);
    assert.equal(readStateFile(sum).metadata.samples, String(most - 1));
    throwsWith(() => NACUE.merge([sum, half]), expected);
  });

  it('wrong arguments', () => {
    const type = (message: RegExp): Expected => ({ type: TypeError, code: 'ERR_NACUE_INVALID_ARG_TYPE', message });
    for (const states of [undefined, null, 5, 'file', {}, new Set([state]), state]) {
      throwsWith(
        () => NACUE.merge(states as unknown as StateSource[]),
        type(/^states must be a list of paths and Uint8Arrays/),
      );
    }
    for (const item of [undefined, null, 5, {}, [state], new Float32Array(4), new ArrayBuffer(8)]) {
      const states = [state, item as StateSource];
      throwsWith(() => NACUE.merge(states), type(/^states\[1\] must be a path or a Uint8Array, received /));
    }
    throwsWith(
      () => NACUE.merge(new Array(2)),
      type(/^states\[0\] must be a path or a Uint8Array, received undefined$/),
    );
    const range = { type: RangeError, code: 'ERR_NACUE_OUT_OF_RANGE' } as const;
    throwsWith(() => NACUE.merge([]), { ...range, message: /^states must be a list with at least one state/ });
    for (const file of ['', 'a\0b']) {
      throwsWith(() => NACUE.merge([file]), { ...range, message: /^states\[0\] must be a path without NUL/ });
    }
  });

  it('bytes whose buffer was transferred away', async () => {
    const gone = copyOf(state);
    structuredClone(gone.buffer, { transfer: [gone.buffer as ArrayBuffer] });
    const expected = { code: 'ERR_NACUE_STATE_FORMAT', message: /it has 0 bytes/ } as const;
    throwsWith(() => NACUE.merge([gone]), expected);
    await rejectsWith(NACUE.restore(small, gone), expected);
  });
});

/** A state without its last layer. */
const dropLayer = (state: Uint8Array) =>
  editState(state, (parts) => {
    for (const key of ['layers', 'm_bins', 'alpha', 'o_star', 'reduce', 'layer_weights', 'execution_order']) {
      const list = JSON.parse(parts.metadata[key] as string) as unknown[];
      parts.metadata[key] = JSON.stringify(list.slice(0, 3));
    }
    parts.tensors = parts.tensors.filter(({ name }) => !name.endsWith('.fc'));
  });

/** A state whose second edge is the next larger float32. */
const nudgeEdge = (state: Uint8Array) =>
  editState(state, (parts) => {
    const { bytes } = parts.tensors.find(({ name }) => name === 'edges.conv1') as { bytes: Buffer };
    bytes.writeUInt32LE(bytes.readUInt32LE(4) + 1, 4);
  });

/** A state of `samples` samples that all fell into the first bin, as nacue writes it. */
function countedState(state: Uint8Array, samples: bigint): Buffer {
  const counted = editState(state, (parts) => {
    parts.metadata.samples = String(samples);
    for (const { dtype, shape, bytes } of parts.tensors) {
      if (dtype !== 'I64') continue;
      bytes.fill(0);
      for (let row = 0; row < (shape[0] as number); ++row)
        bytes.writeBigInt64LE(samples, row * 8 * (shape[1] as number));
    }
  });
  return counted;
}
