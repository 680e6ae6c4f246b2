import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { NACUE } from 'nacue';
import { fixture, randomNumbers, sampleShape, scoreBatch } from './fixtures.js';
import { repeats } from './repeats.js';
import { mutations } from './state-mutation/mutations.js';
import { joinFile } from './state-mutation/state-file.js';
import { goldenDetector, goldenState, randomRows } from './states.js';

/** All 100,000 take about five minutes on two cores: NACUE_STATE_MUTANTS=100000. */
const mutants = Number(process.env.NACUE_STATE_MUTANTS ?? repeats(10_000, 1_000));
const processes = 2;
const secondsPerMutant = 30;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nacue-mutants-'));
after(() => fs.rmSync(folder, { recursive: true }));

const tsx = (script: string, ...args: string[]) => [
  '--import',
  'tsx',
  path.join(__dirname, 'state-mutation', script),
  ...args,
];

/** Runs state-mutation/child.ts over mutants and returns how many had which outcome; fails where the process died or hung. */
function runMutants(states: string, seed: number, first: number, end: number): Promise<Record<string, number>> {
  const child = spawn(process.execPath, tsx('child.ts', states, `${seed}`, `${first}`, `${end}`), {
    cwd: path.dirname(__dirname),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [last, errors, hung] = ['', '', false];
  const watch = setTimeout(() => {
    hung = true;
    child.kill('SIGKILL');
  }, secondsPerMutant * 1000);
  child.stderr.on('data', (text) => (errors = (errors + text).slice(-5000)));
  readline.createInterface(child.stdout).on('line', (line) => {
    last = line;
    watch.refresh();
  });
  return new Promise((resolve, reject) => {
    child.on('close', (code, signal) => {
      clearTimeout(watch);
      const isDone = !hung && code === 0 && last.startsWith('outcomes ');
      const ended = hung ? `no answer for ${secondsPerMutant} s` : `${signal ?? `exit code ${code}`}: ${errors}`;
      if (isDone) resolve(JSON.parse(last.slice('outcomes '.length)) as Record<string, number>);
      else reject(new Error(`${ended} at mutant ${last}`));
    });
  });
}

/** Four states that differ in binning, preset, layers, output and size. */
async function writeStates(): Promise<string> {
  const states = path.join(folder, 'states');
  fs.mkdirSync(states);
  const write = (name: string, bytes: Uint8Array) => fs.writeFileSync(path.join(states, `${name}.state`), bytes);
  write('small-geometric', await goldenState());
  write('small-large', await goldenState({ binning: 'uniform', mBins: 1500 })); // 205 kB
  const options = {
    preset: 'openood',
    mBins: 8,
    layers: ['fc', 'avgpool', 'conv1'],
    layerWeights: [1, 0.5, 3],
  } as const;
  await using calibrated = await goldenDetector(options);
  await calibrated.calibrate([scoreBatch()]);
  write('small-openood', await calibrated.toBuffer());
  await using blind = await NACUE.create(fixture('dict_output.pt'), {
    layers: ['conv1', 'fc'],
    output: 'logits',
    binning: 'logit',
    mBins: 7,
    alpha: [0.1, 33.3],
  });
  await blind.fit([randomRows(30, sampleShape)]);
  write('dict_output-logit', await blind.toBuffer());
  return states;
}

describe('a damaged state', function () {
  this.timeout(1_800_000);

  it(`is refused with a code or sound, ${mutants} times`, async function () {
    const states = await writeStates();
    const share = Math.ceil(mutants / processes);
    const runs = Array.from({ length: processes }, (_, i) => {
      return runMutants(states, 1, i * share, Math.min(mutants, (i + 1) * share));
    });
    const outcomes: Record<string, number> = {};
    for (const counts of await Promise.all(runs)) {
      for (const [outcome, count] of Object.entries(counts)) outcomes[outcome] = (outcomes[outcome] ?? 0) + count;
    }
    const text = Object.entries(outcomes).sort(([, a], [, b]) => b - a);
    assert.deepEqual(
      text.filter(([outcome]) => outcome.startsWith('wrong')),
      [],
    );
    assert.equal(
      text.reduce((sum, [, count]) => sum + count, 0),
      mutants,
    );
    // Each kind of answer is among them, so that the mutants reach every part of the reader.
    const least = mutants / 1000;
    for (const expected of [
      'accepted',
      ...['FORMAT', 'INVALID', 'VERSION'].map((code) => `refused ERR_NACUE_STATE_${code}`),
    ]) {
      assert.ok((outcomes[expected] ?? 0) >= least, `${expected}: ${outcomes[expected]} of ${mutants}`);
    }
    assert.ok((outcomes['refused by restore ERR_NACUE_STATE_MISMATCH'] ?? 0) >= least);
    if (this.test) this.test.title += `: ${text.map(([outcome, count]) => `${count} ${outcome}`).join(', ')}`;
  });
});

describe('reading a state of 82 MB', function () {
  this.timeout(300_000);
  const allowance = 40e6;
  const large = path.join(folder, 'large');
  const small = path.join(folder, 'small');
  let sound: Buffer;
  before(async () => {
    const options = { layers: ['conv1'], featureReduce: 'flatten' } as const;
    fs.writeFileSync(small, await goldenState(options));
    // LibTorch's allocator is told to give back at once only what is larger than 24 MB.
    sound = Buffer.from(await goldenState({ ...options, mBins: 40_000 }));
    assert.ok(sound.length > 80e6);
  });

  /** Lets state-mutation/memory.ts read the files; returns what it says of each, and the growth of its peak memory. */
  async function growthOver(files: Iterable<Buffer>, kept: number): Promise<{ outcomes: string[]; growth: number }> {
    const args = tsx('memory.ts', fixture('small.pt'), small, large, `${kept}`);
    const child = spawn(process.execPath, ['--expose-gc', ...args], {
      cwd: path.dirname(__dirname),
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines = readline.createInterface(child.stdout)[Symbol.asyncIterator]();
    assert.equal((await lines.next()).value, 'ready');
    const outcomes: string[] = [];
    let growth = 0;
    for (const file of files) {
      fs.writeFileSync(large, file);
      child.stdin.write('\n');
      const line = (await lines.next()).value as string;
      growth = Number(line.split(' ')[0]);
      outcomes.push(line.replace(/^\d+ /, ''));
    }
    child.stdin.end();
    return { outcomes, growth };
  }

  function* damaged(): Generator<Buffer> {
    yield sound;
    const kinds = Object.entries(mutations).filter(([kind]) =>
      /^(header|counts|tensors|metadata|raw.header)/.test(kind),
    );
    for (const [at, [, mutate]] of kinds.entries()) {
      if (at % repeats(1, 4) === 0) yield mutate(sound, randomNumbers(at), sound);
    }
    yield sound;
  }

  it('takes at most twice its size, however damaged', async function () {
    const { outcomes, growth } = await growthOver(damaged(), 0);
    assert.equal(outcomes[0], `merged ${sound.length}, restored`);
    assert.equal(outcomes.at(-1), outcomes[0]);
    assert.ok(outcomes.some((outcome) => outcome.startsWith('ERR_NACUE_STATE_FORMAT, ERR_NACUE_STATE_FORMAT')));
    assert.ok(outcomes.some((outcome) => outcome.startsWith('ERR_NACUE_STATE_INVALID, ERR_NACUE_STATE_INVALID')));
    // The sanitizers keep freed memory, so that under them growth says nothing.
    if (!process.env.ASAN_OPTIONS) assert.ok(growth < 2 * sound.length + allowance, `the peak grew by ${growth} bytes`);
    if (this.test) this.test.title += ` (${Math.round(growth / 1e6)} MB over ${outcomes.length} files)`;
  });

  it('takes a fixed amount for a header of 1 MiB, however many values it holds', async () => {
    const size = 1 << 20;
    const fill = (begin: string, item: (i: number) => string, each: number, end: string) =>
      joinFile(
        begin + Array.from({ length: Math.floor(size / each) - 10 }, (_, i) => item(i)).join() + end,
        Buffer.alloc(0),
      );
    const headers = [
      fill('{"x":[', () => '0', 2, ']}'),
      fill('{"x":[', () => '[]', 3, ']}'),
      fill('{"__metadata__":{', (i) => `"${100_000 + i}":""`, 12, '}}'),
    ];
    const { outcomes, growth } = await growthOver([...headers, ...headers], 0);
    for (const outcome of outcomes) assert.match(outcome, /^ERR_NACUE_STATE_FORMAT, ERR_NACUE_STATE_FORMAT$/);
    if (!process.env.ASAN_OPTIONS) assert.ok(growth < 16e6, `the peak grew by ${growth} bytes`);
  });

  it('would be seen to take more', async () => {
    const { growth } = await growthOver([sound, sound], 3);
    assert.ok(growth > 2 * sound.length + allowance, `the peak grew by ${growth} bytes`);
  });
});
