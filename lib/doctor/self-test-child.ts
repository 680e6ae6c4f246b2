/** The process of the self-test; sends its parent a {@link SelfTest}. */
import fs from 'node:fs';
import path from 'node:path';
import { cudaProblem, openedFiles } from '../addon/open.js';
import type { ShapedBatch } from '../batch.js';
import { NACUE } from '../nacue.js';
import { packageRoot } from '../package.js';
import { type Failure, type SelfTest, untested } from './diagnosis.js';

/** The parts of small_golden.json that are compared: what pytorch-ood gave for small.pt. */
interface Golden {
  layers: string[];
  mBins: number;
  alpha: number;
  oStar: number;
  fit: number[];
  score: number[];
  counts: number[][];
  scores: number[];
}

const inputShape = [1, 8, 8];
const sampleSize = 64;

/** As far as it gets: what was measured before a failure stays in the result. */
async function selfTest(): Promise<SelfTest> {
  const result = { ...untested };
  try {
    result.openMs = (await timed(openedFiles))[1];
    Object.assign(result, openedFiles(), { cudaProblem: cudaProblem() });
    const golden = JSON.parse(fs.readFileSync(fixture('small_golden.json'), 'utf8')) as Golden;
    const { layers, mBins, alpha, oStar } = golden;
    const options = { layers, mBins, alpha, oStar, inputShape };
    const [detector, createMs] = await timed(() => NACUE.create(fixture('small.pt'), options));
    result.createMs = createMs;
    [result.failure, result.scoreMs] = await timed(() => differenceFrom(golden, detector));
    await detector.close();
    result.passed = result.failure === null;
  } catch (error) {
    result.failure = failureOf(error);
  }
  return result;
}

function fixture(name: string): string {
  return path.join(packageRoot() ?? '', 'test', 'fixtures', name);
}

/** Null when counts and scores are exactly the recorded ones. */
async function differenceFrom(golden: Golden, detector: NACUE): Promise<Failure | null> {
  await detector.fit([batchOf(golden.fit)]);
  const wrong = golden.layers.filter(
    (layer, i) => !isEqual(Array.from(detector.counts(layer).data, Number), golden.counts[i]),
  );
  if (wrong.length > 0) return different(`the counts of ${wrong.join(', ')}`);
  const scores = await detector.predict(batchOf(golden.score));
  return isEqual(Array.from(scores), golden.scores) ? null : different('the scores');
}

function batchOf(values: number[]): ShapedBatch {
  return { data: Float32Array.from(values), shape: [values.length / sampleSize, ...inputShape] };
}

function isEqual(a: readonly number[], b: readonly number[] | undefined): boolean {
  return a.length === b?.length && a.every((value, i) => value === b[i]);
}

function different(what: string): Failure {
  const message = `${what} of the self-test differ from those of pytorch-ood: please report it with this output`;
  return { code: 'ERR_NACUE_INTERNAL', message, detail: null };
}

function failureOf(error: unknown): Failure {
  const { code, message, detail } = error as { code?: string; message?: string; detail?: string };
  return { code: code ?? null, message: message ?? String(error), detail: detail ?? null };
}

async function timed<T>(work: () => T | Promise<T>): Promise<[result: T, ms: number]> {
  const started = performance.now();
  return [await work(), performance.now() - started];
}

void selfTest().then((result) => process.send?.(result, () => process.disconnect()));
