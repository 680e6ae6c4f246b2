import assert from 'node:assert/strict';
import { inspect, NACUE, type NACUEOptions } from 'nacue';
import { layoutOf } from '../lib/layout.js';
import { rejectsWith } from './failures.js';
import { fixture, randomBatch, sampleShape } from './fixtures.js';

const batch = randomBatch(3, sampleShape);
const empty = { data: new Float32Array(0), shape: [0, ...sampleShape] };

/** The process warnings that `work` causes. */
async function warningsOf(work: () => Promise<unknown>): Promise<Error[]> {
  const seen: Error[] = [];
  const listen = (warning: Error) => seen.push(warning);
  process.on('warning', listen);
  try {
    await work();
    await new Promise(setImmediate); // warnings come on a later tick
  } finally {
    process.off('warning', listen);
  }
  return seen;
}

const create = (options: Partial<NACUEOptions> = {}) =>
  NACUE.create(fixture('shapes.pt'), { layers: ['plane', 'rows', 'fc'], ...options });

const createAndClose = async (options: Partial<NACUEOptions>) => (await create(options)).close();

describe('inspect() and the layout', () => {
  const of = async (model: string, inputShape?: number[]) =>
    Object.fromEntries(
      (await inspect(fixture(model), inputShape ? { inputShape } : {})).map(({ path, layout, suggestedReduce }) => [
        path,
        [layout, suggestedReduce],
      ]),
    );

  it('tells where the features stand', async () =>
    assert.deepEqual(await of('shapes.pt', sampleShape), {
      plane: ['channels-first', 'auto'],
      volume: [null, null],
      tokens: ['tokens', 'mean-tokens'],
      encoder: [null, null],
      'encoder.ln': ['tokens', 'mean-tokens'],
      rows: ['channels-last', 'channels-last'],
      fc: ['features', 'auto'],
    }));

  it('tells it of convolutional nets and vision transformers', async () => {
    const resNet = await of('tiny_resnet.pt', [3, 16, 16]);
    for (const layer of ['layer1', 'layer2', 'layer3', 'avgpool'])
      assert.deepEqual(resNet[layer], ['channels-first', 'auto']);
    const viT = await of('tiny_vit.pt', [3, 16, 16]);
    assert.deepEqual(viT['encoder.ln'], ['tokens', 'mean-tokens']);
    assert.deepEqual(viT['encoder.layers.encoder_layer_9.ln_2'], ['tokens', 'mean-tokens']);
    assert.deepEqual(viT.heads, ['features', 'auto']);
  });

  it('tells it of pictures that are no squares, whatever the strides round to', async () => {
    for (const inputShape of [
      [3, 16, 40],
      [3, 40, 16],
      [3, 17, 50],
      [3, 33, 21],
    ]) {
      const { layer1, layer2, layer3 } = await of('tiny_resnet.pt', inputShape);
      assert.deepEqual([layer1, layer2, layer3], new Array(3).fill(['channels-first', 'auto']), String(inputShape));
    }
  });

  it('has no shape for an output whose first dimension is not the batch', async () => {
    const [attention] = await inspect(fixture('windowed.pt'), { inputShape: sampleShape });
    assert.deepEqual([attention?.outputType, attention?.outputShape, attention?.layout], ['Tensor', null, null]);
    const create = NACUE.create(fixture('windowed.pt'), { layers: ['attention'], inputShape: sampleShape });
    await rejectsWith(create, { code: 'ERR_NACUE_LAYER_OUTPUT', message: /Float \[4, 4, 4\] for a batch of 1$/ });
  });

  it('says nothing where the shapes do not tell', async () => {
    const unknown = await of('shapes.pt');
    assert.ok(Object.values(unknown).every(([layout, reduce]) => layout === null && reduce === null));
    // As many features as rows and columns: (8, 8, 8).
    assert.deepEqual((await of('tiny_resnet.pt', [3, 32, 32])).layer3, [null, null]);
    // The attention of 4 heads between 64 patches and a class token is no picture: it would be larger than the input.
    assert.equal(layoutOf([4, 65, 65], [3, 32, 32]), null);
    assert.equal(layoutOf([65, 65, 4], [3, 32, 32]), null);
    assert.equal(layoutOf([4, 32, 32], [3, 32, 32]), 'channels-first');
    // Rows of numbers are no pictures.
    assert.ok(
      Object.values(await of('official/mlp.pt', [12])).every(([layout]) => layout === null || layout === 'features'),
    );
  });
});

describe('the warning about channels-last', () => {
  it('comes once from create() with inputShape', async () => {
    const warnings = await warningsOf(async () => {
      await using detector = await create({ inputShape: sampleShape });
      await detector.fit([batch, batch]);
      await detector.predict(batch);
    });
    assert.deepEqual(
      warnings.map(({ name }) => name),
      ['NacueWarning'],
    );
    const [warning] = warnings as [Error & { code?: string }];
    assert.equal(warning.code, 'NACUE_CHANNELS_LAST');
    assert.match(
      warning.message,
      /^the output of layer 'rows' looks like \(B, 8, 8, 4\) = \(B, H, W, C\), and featureReduce 'auto' .*'channels-last'$/,
    );
  });

  for (const [name, first] of [
    ['fit', (detector: NACUE) => detector.fit([batch])],
    ['contributions', (detector: NACUE) => detector.contributions(batch)],
  ] as const) {
    it(`comes once with the first batch without inputShape, of ${name}()`, async () => {
      await using detector = await create();
      assert.equal((await warningsOf(() => first(detector))).length, 1);
      assert.equal((await warningsOf(() => detector.fit([batch, batch]))).length, 0);
    });
  }

  it('is not lost to an empty batch, nor to one that fails', async () => {
    await using detector = await create();
    const wrong = { data: new Float32Array(6), shape: [1, 6] };
    const before = await warningsOf(async () => {
      await detector.contributions(empty);
      await assert.rejects(detector.contributions(wrong));
    });
    assert.equal(before.length, 0);
    assert.equal((await warningsOf(() => detector.contributions(batch))).length, 1);
  });

  it('comes per layer, and for every reduce that takes dimension 1 for the neurons', async () => {
    for (const featureReduce of ['auto', 'mean', 'sum', 'max-abs']) {
      const warnings = await warningsOf(() => createAndClose({ featureReduce, inputShape: sampleShape }));
      assert.equal(warnings.length, 1, featureReduce);
      assert.ok(warnings[0]?.message.includes(`featureReduce '${featureReduce}'`));
    }
  });

  it('does not come where the reduce takes the features, or every element', async () => {
    for (const featureReduce of ['channels-last', 'flatten', fixture('reduce_parameter.pt')])
      assert.deepEqual(await warningsOf(() => createAndClose({ featureReduce, inputShape: sampleShape })), []);
    const featureReduce = ['auto', 'channels-last', 'auto'];
    assert.deepEqual(await warningsOf(() => createAndClose({ featureReduce, inputShape: sampleShape })), []);
  });

  it('does not come for convolutional nets and vision transformers', async () => {
    for (const [model, layers] of [
      ['tiny_resnet.pt', ['layer1', 'layer2', 'layer3', 'avgpool']],
      ['tiny_vit.pt', ['conv_proj', 'encoder.ln']],
    ] as const) {
      const work = async () => {
        await using detector = await NACUE.create(fixture(model), { layers });
        await detector.fit([randomBatch(2, [3, 16, 16])]);
      };
      assert.deepEqual(await warningsOf(work), [], model);
    }
  });
});
