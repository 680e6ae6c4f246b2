import assert from 'node:assert/strict';
import fs from 'node:fs';
import { NACUE } from 'nacue';
import { fitBatches, fitRows, fixture, golden, goldenOptions, scoreBatch } from './fixtures.js';

describe('NACUE against values recorded from pytorch-ood', () => {
  const models = {
    'a scripted model': fixture('small.pt'),
    'a traced model': fixture('small_traced.pt'),
    'the bytes of a model': fs.readFileSync(fixture('small.pt')),
  };
  for (const [name, model] of Object.entries(models)) {
    it(`has the same counts and scores for ${name}`, async () => {
      await using detector = await NACUE.create(model, goldenOptions());
      await detector.fit(fitBatches());
      golden.layers.forEach((layer, i) => {
        assert.deepEqual(Array.from(detector.counts(layer).data, Number), golden.counts[i], layer);
      });
      const { scores, logits } = await detector.score(scoreBatch());
      assert.deepEqual(Array.from(scores), golden.scores);
      golden.logits.forEach((value, i) => {
        assert.ok(Math.abs(value - (logits.data[i] as number)) < 1e-4);
      });
      assert.deepEqual(await detector.predict(scoreBatch()), scores);
    });
  }

  it('does not depend on the order in which layers are listed when their options are equal', async () => {
    const options = goldenOptions();
    await using detector = await NACUE.create(fixture('small.pt'), {
      ...options,
      layers: [...golden.layers].reverse(),
    });
    await detector.fit(fitBatches());
    assert.deepEqual(Array.from(await detector.predict(scoreBatch())), golden.scores);
  });

  it('gives per-layer options to the layer of the name, whatever the order', async () => {
    const options = { ...goldenOptions(), layers: ['fc', 'conv1'], mBins: [5, 9], alpha: [10, 600], oStar: [2, 8] };
    await using detector = await NACUE.create(fixture('small.pt'), options);
    await detector.fit(fitBatches());
    assert.deepEqual(detector.counts('fc').shape, [3, 5]);
    assert.deepEqual(detector.counts('conv1').shape, [4, 9]);
    assert.deepEqual(
      detector.layers.map(({ name, mBins, alpha, oStar }) => [name, mBins, alpha, oStar]),
      [
        ['fc', 5, 10, 2],
        ['conv1', 9, 600, 8],
      ],
    );
  });

  it('counts the same however the data is cut into batches', async () => {
    const cuts = [
      [0, 20],
      [0, 1, 2, 3, 20],
      [0, 13, 20],
    ];
    for (const cut of cuts) {
      await using detector = await NACUE.create(fixture('small.pt'), goldenOptions());
      await detector.fit(cut.slice(1).map((to, i) => fitRows(cut[i] as number, to)));
      const counts = golden.layers.map((layer) => Array.from(detector.counts(layer).data, Number));
      assert.deepEqual(counts, golden.counts);
    }
  });

  it('has one count per sample and neuron, and scores in [-L, 0]', async () => {
    await using detector = await NACUE.create(fixture('small.pt'), goldenOptions());
    await detector.fit(fitBatches());
    for (const layer of golden.layers) {
      const { data, shape } = detector.counts(layer);
      for (let n = 0; n < shape[0]; ++n) {
        const row = data.subarray(n * shape[1], (n + 1) * shape[1]);
        assert.equal(
          row.reduce((sum, count) => sum + count, 0n),
          BigInt(detector.samples),
        );
      }
    }
    const { scores, layerScores } = await detector.score(scoreBatch());
    const [layers, samples] = layerScores.shape as [number, number];
    scores.forEach((score, b) => {
      let sum = 0;
      for (let l = 0; l < layers; ++l) sum += layerScores.data[l * samples + b] as number;
      assert.ok(score >= -layers && score <= 0 && Math.abs(score + sum) < 1e-6);
    });
  });
});
