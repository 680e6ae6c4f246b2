/** Fit in Python, score in Node.js, and the other way round: bit-identical through python/nacue_bridge.py. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { NACUE, type NACUEOptions } from 'nacue';
import { difference } from './bit-comparison.js';
import { readFloats, resultsFolder, type StoredArray } from './reference-results.js';

interface BridgeCase {
  layers: string[];
  mBins: number[];
  alpha: number[];
  oStar: number[];
  binning: NonNullable<NACUEOptions['binning']>;
  reduce: string;
  inputShape: number[];
  numThreads: number;
  fit: StoredArray[];
  score: { batch: StoredArray; scores: StoredArray; logits: StoredArray }[];
}

const folder = path.join(resultsFolder, 'bridge');

function runBridge(...args: string[]): void {
  execFileSync(process.env.NACUE_PARITY_PYTHON as string, ['-m', 'reference.bridge', ...args], {
    cwd: __dirname,
    env: { ...process.env, PYTHONPATH: __dirname, PYTHONDONTWRITEBYTECODE: '1' },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

const readJson = <T>(...names: string[]): T => JSON.parse(readFileSync(path.join(folder, ...names), 'utf8')) as T;

describe('python/nacue_bridge.py', () => {
  let cases: Record<string, string>;

  before('fits, exports and checks itself in Python', () => {
    runBridge(folder);
    const index = readJson<{ cases: Record<string, string>; checks: string[] }>('index.json');
    assert.ok(index.checks.length >= 18, 'the checks of bridge_checks.py have run');
    cases = index.cases;
    assert.ok(Object.keys(cases).length >= 9);
  });

  it('writes states that score here as they do in Python, bit for bit', async () => {
    for (const [name, part] of Object.entries(cases)) {
      const { score, numThreads } = readJson<BridgeCase>(part, 'case.json');
      const file = (base: string) => path.join(folder, part, base);
      await using detector = await NACUE.restore(file('model.pt'), file('state.safetensors'), { numThreads });
      for (const stored of score) {
        const { scores, logits } = await detector.score(readFloats(path.join(folder, part), stored.batch));
        const expected = (array: StoredArray) => readFloats(path.join(folder, part), array);
        const differences = [
          difference(`${name}, scores`, { data: scores, shape: [scores.length] }, expected(stored.scores)),
          difference(`${name}, logits`, logits, expected(stored.logits)),
        ].filter((text) => text !== null);
        if (differences.length > 0) assert.fail(differences.join('\n'));
      }
    }
  });

  it('reads states that were fitted here and scores as they do here, bit for bit', async () => {
    const scoredHere: Record<string, Float32Array[]> = {};
    for (const [name, part] of Object.entries(cases)) {
      const { layers, mBins, alpha, oStar, binning, reduce, inputShape, numThreads, fit, score } = readJson<BridgeCase>(
        part,
        'case.json',
      );
      await using detector = await NACUE.create(path.join(folder, part, 'model.pt'), {
        layers,
        mBins,
        alpha,
        oStar,
        binning,
        featureReduce: reduce,
        inputShape,
        numThreads,
      });
      await detector.fit(fit.map((batch) => readFloats(path.join(folder, part), batch)));
      await detector.save(path.join(folder, part, 'node_state.safetensors'));
      // What Python fitted on the same batches is the same state but for who wrote it.
      await using python = await NACUE.restore(
        path.join(folder, part, 'model.pt'),
        path.join(folder, part, 'state.safetensors'),
      );
      assert.ok(Buffer.compare(await python.toBuffer(), await detector.toBuffer()) === 0, name);
      scoredHere[name] = [];
      for (const { batch } of score)
        scoredHere[name].push(await detector.predict(readFloats(path.join(folder, part), batch)));
    }
    runBridge('--check', folder);
    for (const [name, part] of Object.entries(cases)) {
      const { scores } = readJson<{ scores: StoredArray[] }>(part, 'node_scores.json');
      scores.forEach((stored, i) => {
        const here = scoredHere[name]?.[i] as Float32Array;
        const text = difference(
          `${name}, batch ${i}`,
          { data: here, shape: [here.length] },
          readFloats(path.join(folder, part), stored),
        );
        if (text !== null) assert.fail(text);
      });
    }
  });
});
