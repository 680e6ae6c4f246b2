import assert from 'node:assert/strict';
import { NACUE, type NACUEOptions, type PresetOptions, presets } from 'nacue';
import { fixture, randomBatch } from './fixtures.js';

const pictures = [3, 16, 16];
const modelOf = (name: string) => fixture(name === 'imagenetViTB16' ? 'tiny_vit.pt' : 'tiny_resnet.pt');

/** How many of a layer's contributions fell into each bin, over all neurons. */
function binTotals({ data, shape }: { data: BigInt64Array; shape: number[] }): number[] {
  const [neurons, mBins] = shape as [number, number];
  const totals = new Array<number>(mBins).fill(0);
  for (let i = 0; i < neurons * mBins; ++i) (totals[i % mBins] as number) += Number(data[i]);
  return totals;
}

describe('presets', () => {
  it('are the four of the paper', () =>
    assert.deepEqual(Object.keys(presets), [
      'cifar10ResNet18',
      'cifar100ResNet18',
      'imagenetResNet50',
      'imagenetViTB16',
    ]));

  it('have the values of the paper', () => {
    const of = ({ layers, mBins, alpha, oStar }: PresetOptions) =>
      layers.map((layer, i) => [layer, ...[oStar, mBins, alpha].map((values) => (values as number[])[i])]);
    // Layer, O*, M, alpha.
    assert.deepEqual(of(presets.cifar10ResNet18), [
      ['avgpool', 50, 50, 100],
      ['layer3', 100, 500, 1000],
      ['layer2', 5, 50, 0.001],
      ['layer1', 100, 500, 0.001],
    ]);
    assert.deepEqual(of(presets.cifar100ResNet18), [
      ['avgpool', 50, 50, 50],
      ['layer3', 500, 1000, 10],
      ['layer2', 500, 50, 1],
      ['layer1', 5, 50, 0.005],
    ]);
    assert.deepEqual(of(presets.imagenetResNet50), [
      ['avgpool', 10, 50, 3000],
      ['layer3', 500, 50, 300],
      ['layer2', 50, 500, 0.01],
      ['layer1', 5000, 1000, 1],
    ]);
    assert.deepEqual(of(presets.imagenetViTB16), [
      ['encoder.ln', 500, 50, 100],
      ['encoder.layers.encoder_layer_11.ln_2', 50, 500, 1],
      ['encoder.layers.encoder_layer_10.ln_2', 10, 500, 10],
      ['encoder.layers.encoder_layer_9.ln_2', 10, 1000, 1],
    ]);
  });

  it('cannot be changed, as the whole program shares them', () => {
    assert.ok(Object.isFrozen(presets));
    for (const preset of Object.values(presets))
      for (const part of [preset, ...Object.values(preset)]) assert.ok(Object.isFrozen(part), String(part));
  });

  for (const [name, preset] of Object.entries(presets)) {
    describe(name, () => {
      it('has one value per layer, and what NAC-UE needs', () => {
        for (const values of [preset.mBins, preset.alpha, preset.oStar])
          assert.equal(values.length, preset.layers.length);
        assert.ok(preset.mBins.every((mBins) => mBins % 2 === 0 && mBins >= 4));
        assert.equal(new Set(preset.layers).size, 4);
      });

      it('creates a detector whose layers have its values, and that fits and scores', async () => {
        await using detector = await NACUE.create(modelOf(name), { ...preset, inputShape: pictures });
        assert.deepEqual([detector.preset, detector.binning, detector.aggregation], ['openood', 'openood', 'mean']);
        const { layers } = detector;
        assert.deepEqual(
          layers.map(({ name: layer, mBins, alpha, oStar }) => [layer, mBins, alpha, oStar]),
          preset.layers.map((layer, i) => [layer, preset.mBins[i], preset.alpha[i], preset.oStar[i]]),
        );
        await detector.fit([randomBatch(20, pictures)]);
        for (const [i, layer] of preset.layers.entries()) {
          const counts = detector.counts(layer);
          assert.deepEqual(counts.shape, [layers[i]?.neurons, preset.mBins[i]]);
          assert.deepEqual(binTotals(counts).slice(-2), [0, 0], 'the last two bins lie beyond 1');
          assert.equal(
            binTotals(counts).reduce((sum, count) => sum + count, 0),
            20 * counts.shape[0],
          );
        }
        const scores = await detector.predict(randomBatch(5, pictures, 2));
        assert.ok(scores.every((score) => score >= -1 && score <= 0));
      });
    });
  }
});

describe('the option preset', () => {
  const create = (options: Partial<NACUEOptions>) =>
    NACUE.create(fixture('small.pt'), { layers: ['conv1', 'fc'], inputShape: [1, 8, 8], ...options });

  it("stands for bins and aggregation, 'pytorch-ood' by default", async () => {
    for (const [options, expected] of [
      [{}, ['pytorch-ood', 'geometric', 'sum']],
      [{ preset: 'pytorch-ood' }, ['pytorch-ood', 'geometric', 'sum']],
      [{ preset: 'openood' }, ['openood', 'openood', 'mean']],
      [{ preset: 'openood', binning: 'logit', aggregation: 'sum' }, ['openood', 'logit', 'sum']],
      [{ binning: 'openood', aggregation: 'mean' }, ['pytorch-ood', 'openood', 'mean']],
    ] as const) {
      await using detector = await create(options);
      assert.deepEqual([detector.preset, detector.binning, detector.aggregation], expected);
    }
  });

  it('changes the scores', async () => {
    const scores: Float32Array[] = [];
    for (const preset of ['pytorch-ood', 'openood'] as const) {
      await using detector = await create({ preset, binning: 'geometric', aggregation: 'sum', oStar: 3 });
      await detector.fit([randomBatch(30, [1, 8, 8])]);
      scores.push(await detector.predict(randomBatch(8, [1, 8, 8], 5)));
    }
    assert.notDeepEqual(scores[0], scores[1]);
  });

  it("puts a contribution of zero into the bin that begins at 0.5 with 'openood' bins", async () => {
    await using detector = await NACUE.create(fixture('tiny_resnet.pt'), {
      layers: ['layer3'],
      binning: 'openood',
      mBins: 10,
      featureReduce: 'flatten',
    });
    const batch = randomBatch(4, pictures);
    await detector.fit([batch]);
    const [layer] = await detector.contributions(batch);
    const { data, shape } = detector.counts('layer3');
    let zeros = 0;
    for (let n = 0; n < shape[0]; ++n) {
      const values = [0, 1, 2, 3].map((b) => layer?.data[b * shape[0] + n] as number);
      if (!values.every((value) => value === 0)) continue;
      ++zeros;
      assert.equal(data[n * 10 + 4], 4n);
    }
    assert.ok(zeros > 0, 'a ReLU leaves some neurons at zero');
  });
});
