import assert from 'node:assert/strict';
import fs from 'node:fs';
import { type FeatureReduce, type LayerContributions, NACUE, type NACUEOptions, type Preset } from 'nacue';
import { affineActivations, affineLayers, affineShape, indices, sum } from './affine.js';
import { type Expected, rejectsWith } from './failures.js';
import { fixture, randomBatch } from './fixtures.js';

const mean = (values: number[]) => sum(values) / values.length;
const largest = (values: number[]) => Math.max(...values.map(Math.abs));

/** What options.ts says of each name, for one sample: row-major `values` of `shape`; undefined where the shape does not fit. */
function reduced(name: FeatureReduce, values: number[], shape: number[], preset: Preset): number[] | undefined {
  const first = shape[0] as number;
  const last = shape.at(-1) as number;
  const rows = indices(first).map((i) => values.slice((i * values.length) / first, ((i + 1) * values.length) / first));
  const columns = indices(last).map((c) => values.filter((_, i) => i % last === c));
  const isTokens = shape.length === 2;
  if (name === 'first-token') return isTokens ? rows[0] : undefined;
  if (name === 'mean-tokens') return isTokens ? columns.map(mean) : undefined;
  if (shape.length === 1 || name === 'flatten') return values;
  if (name === 'mean') return rows.map(mean);
  if (name === 'sum') return rows.map(sum);
  if (name === 'max-abs') return rows.map(largest);
  if (name === 'channels-last') return columns.map(preset === 'openood' ? sum : mean);
  if (preset === 'openood') return isTokens ? columns.map(sum) : rows.map(sum);
  return shape.length === 3 ? rows.map(mean) : values;
}

const names = ['auto', 'mean', 'sum', 'max-abs', 'flatten', 'first-token', 'mean-tokens', 'channels-last'] as const;
const notTokens: Expected = { code: 'ERR_NACUE_LAYER_OUTPUT', message: /first-token|mean-tokens, takes tokens/ };

function assertClose(actual: ArrayLike<number>, expected: number[], label: string): void {
  assert.equal(actual.length, expected.length, label);
  const tolerance = 4e-6 * largest(expected);
  for (const [i, value] of expected.entries())
    assert.ok(Math.abs((actual[i] as number) - value) <= tolerance, `${label}, ${i}: ${actual[i]} for ${value}`);
}

/** The contributions of one layer of shapes.pt. */
async function contributionsOf(layer: string, options: Partial<NACUEOptions> = {}): Promise<LayerContributions> {
  await using detector = await NACUE.create(fixture('shapes.pt'), { layers: [layer], ...options });
  return (await detector.contributions(randomBatch(5, [1, 8, 8])))[0] as LayerContributions;
}

describe('featureReduce by name', () => {
  const shapes = { fc: [3], tokens: [64, 5], plane: [3, 8, 8], rows: [8, 8, 4], volume: [2, 2, 4, 8] };
  for (const [layer, shape] of Object.entries(shapes)) {
    for (const name of names) {
      it(`${name} reduces (B, ${shape.join(', ')}) of z * gradient as documented`, async () => {
        const { data } = await contributionsOf(layer, { featureReduce: 'flatten' });
        const size = data.length / 5;
        const expected = indices(5).map((b) =>
          reduced(name, Array.from(data.slice(b * size, (b + 1) * size)), shape, 'pytorch-ood'),
        );
        const call = contributionsOf(layer, { featureReduce: name });
        if (expected[0] === undefined) return void (await rejectsWith(call, notTokens));
        const actual = await call;
        assert.deepEqual(actual.shape, [5, expected[0].length]);
        assertClose(
          actual.data,
          expected.flatMap((values) => values as number[]),
          `${name} of ${layer}`,
        );
      });
    }
  }

  for (const preset of ['pytorch-ood', 'openood'] as const) {
    for (const name of names) {
      it(`${name} reduces what preset ${preset} reduces`, async () => {
        const { data: x } = randomBatch(1, affineShape);
        for (const layer of affineLayers) {
          const create = NACUE.create(fixture('affine.pt'), {
            layers: [layer],
            preset,
            featureReduce: name,
            inputShape: affineShape,
          });
          const { z, gradient, shape } = affineActivations(x, preset)[layer];
          const of = (values: number[]) => reduced(name, values, shape, preset);
          const product = (a: number[], b: number[]) => a.map((value, i) => value * (b[i] as number));
          if (of(z) === undefined) {
            await rejectsWith(create, notTokens);
            continue;
          }
          await using detector = await create;
          const [q] = await detector.contributions(x);
          const expected =
            preset === 'openood' ? product(of(z) as number[], of(gradient) as number[]) : of(product(z, gradient));
          assertClose((q as LayerContributions).data, expected as number[], layer);
        }
      });
    }
  }

  it("auto takes the class token of a layer that ends in encoder.ln, with 'openood' alone", async () => {
    const of = (layer: string, preset: Preset, featureReduce: FeatureReduce) =>
      contributionsOf(layer, { preset, featureReduce });
    assert.deepEqual(await of('encoder.ln', 'openood', 'auto'), await of('encoder.ln', 'openood', 'first-token'));
    assert.deepEqual(await of('tokens', 'openood', 'auto'), await of('tokens', 'openood', 'channels-last'));
    assert.deepEqual(await of('encoder.ln', 'pytorch-ood', 'auto'), await of('encoder.ln', 'pytorch-ood', 'flatten'));
  });

  it('is one for all layers or one per layer, in the order of layers', async () => {
    const layers = ['rows', 'plane'];
    const featureReduce = ['channels-last', 'flatten'];
    await using detector = await NACUE.create(fixture('shapes.pt'), { layers, featureReduce, inputShape: [1, 8, 8] });
    assert.deepEqual(
      detector.layers.map((layer) => [layer.featureReduce, layer.neurons]),
      [
        ['channels-last', 4],
        ['flatten', 192],
      ],
    );
    const together = await detector.contributions(randomBatch(5, [1, 8, 8]));
    for (const [i, layer] of layers.entries())
      assert.deepEqual(together[i], await contributionsOf(layer, { featureReduce: featureReduce[i] as string }));
    await detector.fit([randomBatch(5, [1, 8, 8])]);
    assert.deepEqual(
      [detector.counts('rows').shape, detector.counts('plane').shape],
      [
        [4, 50],
        [192, 50],
      ],
    );
  });
});

describe('featureReduce as a TorchScript module', () => {
  const module = (name: string) => fixture(`reduce_${name}.pt`);
  const tokens = (featureReduce: string, preset: Preset = 'pytorch-ood') =>
    contributionsOf('tokens', { featureReduce, preset });

  for (const preset of ['pytorch-ood', 'openood'] as const) {
    it(`gives the same bits as the built-in one it imitates, with preset ${preset}`, async () => {
      const results = [];
      for (const featureReduce of ['mean-tokens', module('mean_tokens')]) {
        await using detector = await NACUE.create(fixture('shapes.pt'), {
          layers: ['tokens'],
          preset,
          featureReduce,
          oStar: 4,
        });
        await detector.fit([randomBatch(20, [1, 8, 8])]);
        const batch = randomBatch(6, [1, 8, 8], 2);
        results.push([
          await detector.contributions(batch),
          detector.counts('tokens'),
          await detector.score(batch, { explain: 3 }),
        ]);
      }
      assert.deepEqual(results[1], results[0]);
    });

    it(`is applied once per value to be reduced, with preset ${preset}`, async () => {
      const factor = preset === 'openood' ? 4 : 2; // each module doubles its argument
      const { data } = await tokens('flatten', preset);
      for (const name of ['parameter', 'in_place'])
        assert.deepEqual(
          Array.from((await tokens(module(name), preset)).data),
          Array.from(data, (q) => factor * q),
        );
    });
  }

  it('may work in place, also on a layer whose output is a view of another', async () => {
    const layers = ['scale', 'tokens']; // a Flatten of the same memory
    const options = { preset: 'openood', inputShape: affineShape, featureReduce: module('in_place') } as const;
    const batch = randomBatch(3, affineShape);
    await using together = await NACUE.create(fixture('affine.pt'), { ...options, layers });
    const both = await together.contributions(batch);
    for (const [i, layer] of layers.entries()) {
      await using alone = await NACUE.create(fixture('affine.pt'), { ...options, layers: [layer] });
      assert.deepEqual(await alone.contributions(batch), [both[i]]);
    }
  });

  it('can compute what no name does', async () => {
    const { data } = await tokens('flatten');
    const expected = indices(5).flatMap((b) =>
      indices(5).map((c) => Math.max(...indices(64).map((t) => data[(b * 64 + t) * 5 + c] as number))),
    );
    assert.deepEqual(Array.from((await tokens(module('max_tokens'))).data), expected);
  });

  it('may return float64, which is scored as such', async () => {
    assert.deepEqual(await tokens(module('float64')), await tokens('flatten'));
    await using detector = await NACUE.create(fixture('shapes.pt'), {
      layers: ['tokens'],
      featureReduce: module('float64'),
    });
    await detector.fit([randomBatch(4, [1, 8, 8])]);
    assert.equal((await detector.predict(randomBatch(2, [1, 8, 8]))).length, 2);
  });

  it('is what the detector says of the layer', async () => {
    const featureReduce = module('max_tokens');
    await using detector = await NACUE.create(fixture('shapes.pt'), { layers: ['tokens'], featureReduce });
    assert.equal(detector.layers[0]?.featureReduce, featureReduce);
  });

  const output = (message: RegExp): Expected => ({ code: 'ERR_NACUE_LAYER_OUTPUT', message });
  const refusedOnBatches: [string, Expected][] = [
    [
      'vector',
      output(/^the reduce module '.*reduce_vector.pt' of layer 'tokens' must return .*\(B, N\).* Float \[1\]$/),
    ],
    ['tuple', output(/must return a floating point tensor \(B, N\), it returned a Tuple$/)],
    ['whole_numbers', output(/it returned Long \[1, 320\]$/)],
    ['no_neurons', output(/it returned Float \[1, 0\]$/)],
    ['raising', output(/^the reduce module '.*' of layer 'tokens' failed: .*1000003/)],
  ];
  for (const [name, expected] of refusedOnBatches) {
    it(`refuses a module that is ${name}, at once with inputShape, else with the first batch`, async () => {
      const options = { layers: ['tokens'], featureReduce: module(name) };
      await rejectsWith(NACUE.create(fixture('shapes.pt'), { ...options, inputShape: [1, 8, 8] }), expected);
      await using detector = await NACUE.create(fixture('shapes.pt'), options);
      const failure = { ...expected, message: /^the reduce module '.*' of layer 'tokens' (must return|failed)/ };
      await rejectsWith(detector.contributions(randomBatch(2, [1, 8, 8])), failure);
      await rejectsWith(detector.fit([randomBatch(2, [1, 8, 8])]), failure);
      assert.equal(detector.fitted, false);
    });
  }

  it('refuses a module that loses samples', () => rejectsWith(tokens(module('one_row')), output(/Float \[1, 320\]$/)));

  const refusedAtOnce: [string, string, Expected][] = [
    ['a missing file', './no_such_reduce.pt', { code: 'ERR_NACUE_MODEL_NOT_FOUND', message: /no such file/ }],
    ['a folder', '.', { code: 'ERR_NACUE_MODEL_NOT_FOUND', message: /it is a folder/ }],
    ['a file that is no zip', fixture('small_golden.json'), { code: 'ERR_NACUE_MODEL_FORMAT', message: /zip/ }],
    ['a state_dict', fixture('state_dict.pt'), { code: 'ERR_NACUE_MODEL_FORMAT', message: /state_dict/ }],
    ['a module with two inputs', fixture('two_inputs.pt'), { code: 'ERR_NACUE_MODEL_FORMAT', message: /2 inputs/ }],
    ['a module without forward()', fixture('no_forward.pt'), { code: 'ERR_NACUE_MODEL_FORMAT', message: /forward/ }],
    [
      'a module traced in training mode',
      fixture('traced_in_training.pt'),
      { code: 'ERR_NACUE_MODEL_TRAINING', message: /eval\(\)/ },
    ],
  ];
  for (const [name, featureReduce, expected] of refusedAtOnce) {
    it(`refuses ${name}, naming it`, async () => {
      const create = NACUE.create(fixture('shapes.pt'), { layers: ['tokens'], featureReduce });
      const error = await rejectsWith(create, expected);
      assert.ok(error.message.startsWith(`the reduce module '${featureReduce}': `), error.message);
    });
  }

  for (const name of ['max', 'reduce_max_tokens', 'module', 'Auto', '', 'a.pt\0']) {
    it(`takes ${JSON.stringify(name)} for a misspelt name`, () =>
      rejectsWith(NACUE.create(fixture('shapes.pt'), { layers: ['tokens'], featureReduce: [name] }), {
        type: RangeError,
        code: 'ERR_NACUE_OUT_OF_RANGE',
        message: /^featureReduce\[0\] must be 'auto', .* or the path of a TorchScript module, received "/,
      }));
  }

  it('leaves no thread behind when it is refused', async () => {
    const threads = () => fs.readdirSync('/proc/self/task').length;
    const refuse = async (count: number) => {
      for (let i = 0; i < count; ++i) {
        const options = { layers: ['tokens'], featureReduce: module('vector'), inputShape: [1, 8, 8] };
        await assert.rejects(NACUE.create(fixture('shapes.pt'), options));
      }
    };
    await refuse(2);
    const before = threads();
    await refuse(12);
    for (let waits = 0; threads() > before && waits < 100; ++waits) await new Promise((done) => setTimeout(done, 20));
    assert.ok(threads() <= before, `${threads()} threads, ${before} before`);
  });
});
