import assert from 'node:assert/strict';
import { NACUE } from 'nacue';
import { fixture, randomBatch } from './fixtures.js';

describe('what is recorded of a pass', () => {
  // A frozen export has no trainable parameter that would make autograd record what comes before a tap. The numbers are the same.
  for (const layer of ['shortcut', 'pair[0]', 'conv', 'pair[1]']) {
    for (const preset of ['pytorch-ood', 'openood'] as const) {
      it(`reaches as far back as ${layer} needs, parameters frozen or not, with preset ${preset}`, async () => {
        const batch = randomBatch(5, [1, 8, 8], 3);
        const results = [];
        for (const model of ['handed_through.pt', 'handed_through_frozen.pt']) {
          await using detector = await NACUE.create(fixture(model), { layers: [layer], preset, alpha: 1000, oStar: 2 });
          await detector.fit([batch]);
          const [contributions] = await detector.contributions(batch);
          results.push({ contributions, scores: await detector.predict(batch) });
        }
        assert.ok((results[0]?.contributions?.data ?? []).some((value) => value !== 0));
        assert.deepEqual(results[1], results[0]);
      });
    }
  }
});
