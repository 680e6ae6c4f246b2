/** Files through the command line: counts, scores and logits equal the live reference's, bit for bit. `npm run test:parity` prepares and runs this. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { NACUE } from 'nacue';
import { nacue } from '../cli.js';
import { writeNpy } from '../npy.js';
import { difference } from './bit-comparison.js';
import {
  caseFolders,
  type ReferenceCase,
  readCase,
  readCounts,
  readFloats,
  type StoredArray,
} from './reference-results.js';

const root = path.join(__dirname, '..', '..');

/** Cases of each kind of option and layer; the library's own test runs all of them. */
const chosen = [
  'resnet18',
  'M = 1000',
  'options per layer',
  'layers in another order',
  'short last batch',
  'batch size 1',
  'one thread',
  'uniform bins, odd M',
  'logit bins, odd M',
];

type Counted = Pick<ReferenceCase, 'counts'>;

interface PhotographsCase extends Counted {
  layers: string[];
  mBins: number;
  alpha: number[];
  oStar: number;
  batchSize: number;
  numThreads: number;
  sets: Record<string, { scores: StoredArray; logits: StoredArray }>;
  metrics: Record<string, Record<string, Record<string, number | null>>>;
}

/** What `nacue` printed; it must have ended well. */
async function run(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await nacue([...args, '--quiet']);
  assert.deepEqual([code, stderr], [0, '']);
  return stdout;
}

function recordsOf(stdout: string): { scores: Float32Array; logits: Float32Array } {
  const records = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { score: number; logits: number[] });
  return {
    scores: Float32Array.from(records, ({ score }) => score),
    logits: Float32Array.from(records.flatMap(({ logits }) => logits)),
  };
}

async function compareCounts(model: string, state: string, folder: string, { counts }: Counted) {
  await using detector = await NACUE.restore(model, state);
  return Object.entries(counts).map(([layer, stored]) =>
    difference(`counts of ${layer}`, detector.counts(layer), readCounts(folder, stored)),
  );
}

function assertSame(differences: (string | null)[]): void {
  assert.deepEqual(
    differences.filter((text) => text !== null),
    [],
  );
}

describe('nacue fit and nacue score against pytorch_ood.detector.NACUE', () => {
  let own = '';
  before(() => {
    own = fs.mkdtempSync(path.join(os.tmpdir(), 'nacue-parity-'));
  });
  after(() => fs.rmSync(own, { recursive: true }));

  const folders = caseFolders();
  for (const name of chosen) {
    const folder = folders.get(name);
    const title = `${name}: the same counts, scores and logits from .npy files`;
    if (folder === undefined) {
      it(title); // left out of this run by its names
      continue;
    }
    it(title, async () => {
      const reference = readCase(folder);
      const model = path.join(folder, `${reference.exports[0]}.pt`);
      const state = path.join(own, 'fit.nacue');
      const { layers, mBins, alpha, oStar, binning, numThreads } = reference;
      const fit = writeBatches(path.join(own, 'fit.npy'), folder, reference.fit);
      const fresh = writeBatches(
        path.join(own, 'score.npy'),
        folder,
        reference.score.map(({ batch }) => batch),
      );
      const threads = ['--threads', String(numThreads)];
      const options = Object.entries({ layers, 'm-bins': mBins, alpha, 'o-star': oStar, binning });
      const flags = options.flatMap(([flag, value]) => [`--${flag}`, String(value)]);
      await run('fit', model, fit.file, '-b', fit.batchSize, ...threads, ...flags, '-o', state);
      const scored = ['score', model, fresh.file, '--state', state, '-b', fresh.batchSize, ...threads, '--logits'];
      const { scores, logits } = recordsOf(await run(...scored));
      const whole = (key: 'scores' | 'logits') => joined(reference.score.map((part) => readFloats(folder, part[key])));
      assertSame([
        ...(await compareCounts(model, state, folder, reference)),
        difference('scores', { data: scores, shape: [scores.length] }, whole('scores')),
        difference('logits', { data: logits, shape: whole('logits').shape }, whole('logits')),
      ]);
    });
  }
});

/** The batches of the reference as one file, and the size that cuts it into the same batches again. */
function writeBatches(file: string, folder: string, batches: readonly StoredArray[]) {
  const sizes = batches.map(({ shape }) => shape[0] as number);
  const batchSize = sizes[0] as number;
  assert.ok(
    sizes.every((size, i) => size === batchSize || (i === sizes.length - 1 && size < batchSize)),
    `${sizes}`,
  );
  const { data, shape } = joined(batches.map((batch) => readFloats(folder, batch)));
  writeNpy(file, data, shape);
  return { file, batchSize: String(batchSize) };
}

function joined(parts: readonly { data: Float32Array; shape: readonly number[] }[]) {
  const data = Float32Array.from(parts.flatMap((part) => Array.from(part.data)));
  const rows = parts.reduce((sum, { shape }) => sum + (shape[0] as number), 0);
  return { data, shape: [rows, ...(parts[0]?.shape.slice(1) ?? [])] };
}

describe('nacue fit, score and eval on photographs against torchvision and pytorch_ood', () => {
  const photographs = path.join(root, 'examples', 'photographs');
  const model = path.join(photographs, 'model.pt');
  let folder = '';
  let state = '';
  let reference: PhotographsCase;
  let flags: string[] = [];
  const sets = new Map([['test', path.join(photographs, 'test')]]);

  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nacue-photographs-'));
    const strangers = path.join(folder, 'strangers');
    execFileSync(process.execPath, [path.join(photographs, 'write-strangers.mjs'), strangers]);
    for (const name of fs.readdirSync(strangers).sort()) sets.set(name, path.join(strangers, name));
    runReference();
    reference = JSON.parse(fs.readFileSync(path.join(folder, 'case.json'), 'utf8'));
    const { layers, mBins, alpha, oStar, batchSize, numThreads } = reference;
    flags = ['--transform', 'imagenet', '-b', String(batchSize), '--threads', String(numThreads)];
    state = path.join(folder, 'fit.nacue');
    const options = Object.entries({ layers, 'm-bins': mBins, alpha, 'o-star': oStar });
    const fitFlags = options.flatMap(([flag, value]) => [`--${flag}`, String(value)]);
    await run('fit', model, path.join(photographs, 'fit'), ...flags, ...fitFlags, '-o', state);
  });
  after(() => fs.rmSync(folder, { recursive: true }));

  it('has the same counts', async () => assertSame(await compareCounts(model, state, folder, reference)));

  it('has the same scores and logits', async () => {
    for (const [name, data] of sets) {
      const found = recordsOf(await run('score', model, data, '--state', state, ...flags, '--logits'));
      const expected = reference.sets[name] as PhotographsCase['sets'][string];
      const { scores, logits } = {
        scores: readFloats(folder, expected.scores),
        logits: readFloats(folder, expected.logits),
      };
      assertSame([
        difference(`scores of ${name}`, { data: found.scores, shape: scores.shape }, scores),
        difference(`logits of ${name}`, { data: found.logits, shape: logits.shape }, logits),
      ]);
    }
  });

  it('has the same table: AUROC, AUPR, FPR and AUTC of NAC-UE, max-softmax, energy and max-logit', async () => {
    const ood = [...sets].slice(1).flatMap(([name, data]) => ['--far', `${name}=${data}`]);
    const args = ['eval', model, '--state', state, '--id', sets.get('test') as string, ...ood, ...flags];
    const { sets: found } = JSON.parse(await run(...args, '--json'));
    for (const [name, scores] of Object.entries(reference.metrics))
      for (const [score, metrics] of Object.entries(scores))
        for (const [metric, expected] of Object.entries(metrics)) {
          const actual = found[name][score][metric];
          const isClose = expected === null ? actual === null : Math.abs(actual - expected) <= 1e-6;
          assert.ok(isClose, `${metric} of ${score} on ${name}: ${actual}, the reference has ${expected}`);
        }
    assert.deepEqual(Object.keys(reference.metrics), [...sets.keys()].slice(1));
  });

  function runReference(): void {
    const python = process.env.NACUE_PARITY_PYTHON;
    assert.ok(python, 'NACUE_PARITY_PYTHON must name the Python of the parity tests; npm run test:parity sets it');
    const sources = [__dirname, path.join(root, 'scripts')].join(path.delimiter);
    const env = { ...process.env, PYTHONPATH: sources, PYTHONDONTWRITEBYTECODE: '1' };
    const named = Array.from(sets, ([name, data]) => `${name}=${data}`);
    const args = ['--model', model, '--fit', path.join(photographs, 'fit'), '--out', folder, '--sets', ...named];
    execFileSync(python, ['-m', 'reference.photographs', ...args], { env });
  }
});
