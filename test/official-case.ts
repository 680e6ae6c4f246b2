/** Compares `preset: 'openood'` with what the authors' own code (BierOne/ood_coverage) gave for a net; reference/official.py wrote it. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { NACUE, type ShapedBatch } from 'nacue';

interface StoredBatch {
  file: string;
  shape: number[];
}

interface OfficialCase {
  model: string;
  sample: number[];
  layers: string[];
  /** Edges per neuron, of which there is one less bin in between. */
  mBins: number[];
  alpha: number[];
  oStar: number[];
  numThreads: number;
  fit: StoredBatch[];
  score: { batch: StoredBatch; confidences: number[] }[];
  /** Per layer (N, M - 1). */
  counts: Record<string, number[][]>;
  /** Per layer, the authors' get_score. */
  coverage: Record<string, number>;
}

export const officialNets = ['resnet', 'vit', 'mlp'];

/** Fits and scores with nacue on the files of `folder`: counts identical, scores and coverage within 1e-6. */
export async function checkOfficialCase(folder: string, net: string): Promise<void> {
  const official = JSON.parse(fs.readFileSync(path.join(folder, `${net}.json`), 'utf8')) as OfficialCase;
  const { layers, mBins, alpha, oStar, numThreads, sample } = official;
  const read = ({ file, shape }: StoredBatch): ShapedBatch => {
    const bytes = new Uint8Array(fs.readFileSync(path.join(folder, file)));
    return { data: new Float32Array(bytes.buffer), shape };
  };
  await using detector = await NACUE.create(path.join(folder, official.model), {
    preset: 'openood',
    layers,
    mBins,
    alpha,
    oStar,
    numThreads,
    inputShape: sample,
  });
  await detector.fit(official.fit.map(read));
  layers.forEach((layer, i) => {
    const { data, shape } = detector.counts(layer);
    const rows = official.counts[layer] as number[][];
    assert.deepEqual(shape, [rows.length, mBins[i]]);
    // The authors store no count beyond the last edge; here that bin is there and stays empty.
    assert.deepEqual(
      Array.from(data, Number),
      rows.flatMap((row) => [...row, 0]),
      layer,
    );
  });
  for (const { batch, confidences } of official.score) {
    const scores = await detector.predict(read(batch));
    assert.equal(scores.length, confidences.length);
    confidences.forEach((confidence, i) => {
      assert.ok(Math.abs((scores[i] as number) + confidence) <= 1e-6, `sample ${i}: ${scores[i]}, not ${-confidence}`);
    });
  }
  for (const { layer, coverage } of (await detector.coverage()).layers)
    assert.ok(Math.abs(coverage - (official.coverage[layer] as number)) <= 1e-6, `coverage of ${layer}`);
}
