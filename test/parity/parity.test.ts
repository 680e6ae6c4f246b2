/** Every count, score and logit equals the live reference's, bit for bit. `npm run test:parity` prepares and runs this. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { NACUE } from 'nacue';
import { difference } from './bit-comparison.js';
import { caseFolders, type ReferenceCase, readCase, readCounts, readFloats } from './reference-results.js';

describe('parity with pytorch_ood.detector.NACUE', () => {
  for (const [name, folder] of caseFolders()) {
    const reference = readCase(folder);
    for (const method of reference.exports) {
      const exported = method === 'script' ? 'scripted' : 'traced';
      it(`${name}, ${exported}: it has the same counts, scores and logits`, async () => {
        await using detector = await createDetector(folder, method, reference);
        await detector.fit(reference.fit.map((batch) => readFloats(folder, batch)));
        const differences = [
          ...compareCounts(detector, folder, reference),
          ...(await compareScores(detector, folder, reference)),
        ].filter((text) => text !== null);
        if (differences.length > 0) assert.fail(differences.join('\n'));
      });
    }
  }
});

/** A scripted model is told the shape of a sample, a traced one finds it in the first batch. */
function createDetector(folder: string, method: 'script' | 'trace', reference: ReferenceCase): Promise<NACUE> {
  const { layers, mBins, alpha, oStar, binning, numThreads, inputShape, output } = reference;
  return NACUE.create(path.join(folder, `${method}.pt`), {
    layers,
    mBins,
    alpha,
    oStar,
    binning,
    numThreads,
    ...(method === 'script' && { inputShape }),
    ...(output !== null && { output }),
  });
}

function compareCounts(detector: NACUE, folder: string, reference: ReferenceCase): (string | null)[] {
  return Object.entries(reference.counts).map(([layer, counts]) =>
    difference(`counts of ${layer}`, detector.counts(layer), readCounts(folder, counts)),
  );
}

async function compareScores(detector: NACUE, folder: string, reference: ReferenceCase): Promise<(string | null)[]> {
  const differences: (string | null)[] = [];
  for (const [i, stored] of reference.score.entries()) {
    const batch = readFloats(folder, stored.batch);
    const scores = readFloats(folder, stored.scores);
    const predicted = await detector.predict(batch);
    const scored = await detector.score(batch);
    differences.push(
      difference(`predict, batch ${i}`, { data: predicted, shape: [predicted.length] }, scores),
      difference(`scores of score, batch ${i}`, { data: scored.scores, shape: [scored.scores.length] }, scores),
      difference(`logits of score, batch ${i}`, scored.logits, readFloats(folder, stored.logits)),
    );
  }
  return differences;
}
