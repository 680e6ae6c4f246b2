import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { inspect, NACUE, type ShapedBatch, suggestLayers, tune } from 'nacue';
import { eachCommand } from '../dist/cli/command.js';
import { commands } from '../dist/cli/commands.js';
import { shells } from '../dist/cli/completion.js';
import { completionScripts } from '../dist/cli/completion-scripts.js';
import { configSchema } from '../dist/cli/config-schema.js';
import { longFlag } from '../dist/cli/option-text.js';
import { type GivenOptions, resolveOptions } from '../dist/cli/settings.js';
import { type Ended, ended, mainFile, nacue } from './cli.js';
import { fitBatches, fixture, golden, goldenOptions, randomBatch, sampleShape } from './fixtures.js';
import { readNpy, writeNpy } from './npy.js';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nacue commands '));
after(() => fs.rmSync(folder, { recursive: true }));

const at = (name: string) => path.join(folder, name);
const model = fixture('small.pt');
const sample = sampleShape.reduce((product, size) => product * size, 1);
const fitFile = writeNpy(at('fit.npy'), Float32Array.from(golden.fit), [20, ...sampleShape]);
const fresh = randomBatch(25, sampleShape, 3);
const freshFile = writeNpy(at('fresh.npy'), fresh.data, fresh.shape);
const state = at('fit.nacue');
const goldenFlags = [
  '--layers',
  golden.layers.join(','),
  ...['--m-bins', String(golden.mBins), '--alpha', String(golden.alpha), '--o-star', String(golden.oStar)],
];

function batchesOf({ data, shape }: ShapedBatch, size: number): ShapedBatch[] {
  const count = shape[0] as number;
  return Array.from({ length: Math.ceil(count / size) }, (_, i) => {
    const part = data.subarray(i * size * sample, Math.min((i + 1) * size, count) * sample);
    return { data: part, shape: [part.length / sample, ...sampleShape] };
  });
}

function detectorOf(file: string): Promise<NACUE> {
  return NACUE.restore(model, file);
}

/** What failed says one line, beginning with nacue, and nothing on stdout. */
function assertFails({ code, stdout, stderr }: Ended, expected: number, message: RegExp): void {
  assert.match(stderr, message);
  assert.deepEqual([code, stdout], [expected, '']);
  assert.match(stderr, /^nacue: [^\n]*\n$/);
}

before(async () => {
  const { code, stderr } = await nacue(['fit', model, fitFile, ...goldenFlags, '-b', '7', '-o', state]);
  assert.equal(code, 0, stderr);
});

describe('nacue inspect', () => {
  it('lists the modules and suggests layers as the library does', async () => {
    const { code, stdout } = await nacue(['inspect', model, '--shape', sampleShape.join(','), '--json']);
    const modules = await inspect(model, { inputShape: sampleShape });
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(stdout), { modules, suggested: suggestLayers(modules) });
  });

  it('prints a tree, and what to give to fit', async () => {
    const { code, stdout, stderr } = await nacue(['inspect', model, '--shape', sampleShape.join(',')]);
    assert.equal(code, 0);
    assert.match(stdout, /^LAYER +TYPE +CALLS +OUTPUT/);
    assert.match(stdout, /^ {2}layer1\.0 +Conv2d +1 +\(B, 4, 8, 8\) +channels-first +auto$/m);
    assert.match(stderr, /suggested: --layers /);
  });

  it('has no shapes without --shape, and says how to get them', async () => {
    const { stdout, stderr } = await nacue(['inspect', model]);
    assert.match(stdout, /^conv1 +Conv2d +1 +Tensor$/m);
    assert.match(stderr, /with --shape/);
  });
});

describe('suggestLayers', () => {
  const expected: [string, number[], string[]][] = [
    ['tiny_resnet.pt', [3, 16, 16], ['layer1', 'layer2', 'avgpool']],
    ['tiny_vit.pt', [3, 16, 16], ['encoder.layers.encoder_layer_9', 'encoder.layers.encoder_layer_10', 'encoder.ln']],
    ['small.pt', sampleShape, ['avgpool']],
  ];
  for (const [name, inputShape, layers] of expected) {
    it(`chooses the last stages of ${name}, which a detector takes`, async () => {
      const suggested = suggestLayers(await inspect(fixture(name), { inputShape }));
      assert.deepEqual(
        suggested.map(({ layer }) => layer),
        layers,
      );
      const featureReduce = suggested.map((suggestion) => suggestion.featureReduce);
      await (await NACUE.create(fixture(name), { layers, featureReduce, inputShape })).close();
    });
  }

  it('suggests nothing without shapes', async () => {
    assert.deepEqual(suggestLayers(await inspect(model)), []);
  });
});

describe('nacue fit', () => {
  it('saves the bytes that the library saves', async () => {
    const detector = await NACUE.create(model, goldenOptions());
    await detector.fit(fitBatches());
    assert.deepEqual(new Uint8Array(fs.readFileSync(state)), new Uint8Array(await detector.toBuffer()));
    await detector.close();
  });

  it('counts as pytorch-ood does', async () => {
    await using detector = await detectorOf(state);
    const counts = golden.layers.map((layer) => Array.from(detector.counts(layer).data, Number));
    assert.deepEqual(counts, golden.counts);
  });

  it('takes published settings and prints what it did as JSON', async () => {
    const out = at('published.nacue');
    const flags = ['--preset', 'cifar10ResNet18', '--json', '--quiet', '-o', out];
    const resnet = writeNpy(at('colours.npy'), randomBatch(4, [3, 16, 16]).data, [4, 3, 16, 16]);
    const { code, stdout, stderr } = await nacue(['fit', fixture('tiny_resnet.pt'), resnet, ...flags]);
    assert.deepEqual([code, stderr], [0, '']);
    const { samples, preset, layers } = JSON.parse(stdout);
    assert.deepEqual([samples, preset], [4, 'openood']);
    assert.deepEqual(
      layers.map(({ name, mBins }: { name: string; mBins: number }) => `${name} ${mBins}`),
      ['avgpool 50', 'layer3 500', 'layer2 50', 'layer1 500'],
    );
  });

  it('says how to find layers when it has none', async () => {
    assertFails(await nacue(['fit', model, fitFile, '-o', at('none')]), 2, /--layers is missing: `nacue inspect`/);
  });
});

describe('nacue score', () => {
  const score = (...args: string[]) => nacue(['score', model, freshFile, '--state', state, '--quiet', ...args]);
  const records = (text: string) =>
    text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));

  async function libraryScores(size = 64): Promise<number[]> {
    const detector = await detectorOf(state);
    const parts = await Promise.all(batchesOf(fresh, size).map((batch) => detector.predict(batch)));
    await detector.close();
    return parts.flatMap((part) => Array.from(part));
  }

  it('writes a record per sample, in order, with the numbers of the library', async () => {
    const { code, stdout, stderr } = await score('-b', '4');
    assert.deepEqual([code, stderr], [0, '']);
    const expected = (await libraryScores(4)).map((score, index) => ({ index, score }));
    assert.deepEqual(records(stdout), expected);
  });

  it('writes the numbers of pytorch-ood', async () => {
    const data = Float32Array.from(golden.score);
    const file = writeNpy(at('golden.npy'), data, [data.length / sample, ...sampleShape]);
    const { stdout } = await nacue(['score', model, file, '--state', state, '--quiet']);
    assert.deepEqual(
      records(stdout).map(({ score }) => score),
      golden.scores,
    );
  });

  it('adds the layers, logits and explanations of the library', async () => {
    const { stdout } = await score('--layer-scores', '--logits', '--explain', '2', '--limit', '1');
    const detector = await detectorOf(state);
    const batch = { data: fresh.data.subarray(0, sample), shape: [1, ...sampleShape] };
    const { scores, layerScores, logits, explanation = [] } = await detector.score(batch, { explain: 2 });
    await detector.close();
    assert.deepEqual(records(stdout), [
      {
        index: 0,
        score: scores[0],
        layers: Object.fromEntries(golden.layers.map((name, i) => [name, layerScores.data[i]])),
        logits: Array.from(logits.data),
        explanation: explanation.map(({ layer, neurons, bins, coverage, cost }) => ({
          layer,
          neurons: Array.from(neurons),
          bins: Array.from(bins),
          coverage: Array.from(coverage),
          cost: Array.from(cost),
        })),
      },
    ]);
  });

  it('has the same numbers in each format, in a file as on stdout', async () => {
    const expected = await libraryScores();
    for (const format of ['json', 'csv', 'npy']) {
      const { stdout } = await score('--format', format, '--limit', '25');
      const file = at(`scores.${format}`);
      assert.equal((await score('--format', format, '--limit', '25', '-o', file)).code, 0);
      if (format !== 'npy') assert.equal(fs.readFileSync(file, 'utf8'), stdout);
    }
    assert.deepEqual(
      JSON.parse(fs.readFileSync(at('scores.json'), 'utf8')).map(({ score }: { score: number }) => score),
      expected,
    );
    const [head, ...lines] = fs.readFileSync(at('scores.csv'), 'utf8').trimEnd().split('\r\n');
    assert.equal(head, 'index,score');
    assert.deepEqual(
      lines,
      expected.map((score, index) => `${index},${score}`),
    );
    const { data, header } = readNpy(at('scores.npy'));
    assert.match(header, /^\{'descr': '<f4', 'fortran_order': False, 'shape': \(25,\), \} +\n$/);
    assert.deepEqual(Array.from(data), expected);
    assert.deepEqual(
      fs.readdirSync(folder).filter((name) => /partial|resume/.test(name)),
      [],
    );
  });

  it('writes .npy to a pipe with the number of its scores', async () => {
    const child = spawn(process.execPath, [
      mainFile,
      'score',
      model,
      freshFile,
      '--state',
      state,
      '--format',
      'npy',
      '-b',
      '4',
    ]);
    const pieces: Buffer[] = [];
    child.stdout.on('data', (piece) => pieces.push(piece));
    await new Promise((resolve) => child.on('close', resolve));
    fs.writeFileSync(at('piped.npy'), Buffer.concat(pieces));
    const { data, header } = readNpy(at('piped.npy'));
    assert.match(header, /'shape': \(25,\)/);
    assert.deepEqual(Array.from(data), await libraryScores(4));
  });

  it('reads stdin', async () => {
    const child = spawn(process.execPath, [mainFile, 'score', model, '-', '--state', state, '--quiet']);
    child.stdin.end(fs.readFileSync(freshFile));
    const { code, stdout } = await ended(child);
    assert.equal(code, 0);
    assert.deepEqual(
      records(stdout).map(({ score }) => score),
      await libraryScores(),
    );
  });

  it('has the records of each batch in its file while stdin makes it wait', async () => {
    const file = at('waiting.ndjson');
    const args = ['score', model, '-', '--state', state, '--quiet', '-b', '4', '-o', file];
    const child = spawn(process.execPath, [mainFile, ...args]);
    try {
      const bytes = fs.readFileSync(freshFile);
      child.stdin.write(bytes.subarray(0, bytes.length - 1)); // the last of seven batches is not whole
      const written = () => fs.readFileSync(`${file}.partial`, 'utf8').split('\n').length - 1;
      for (const end = performance.now() + 30_000; ; await setTimeout(20)) {
        if (fs.existsSync(`${file}.partial`) && written() === 24) break;
        assert.ok(performance.now() < end, 'the records of six batches are not in the file');
      }
      child.stdin.end(bytes.subarray(bytes.length - 1));
      assert.equal((await ended(child)).code, 0);
      assert.equal(records(fs.readFileSync(file, 'utf8')).length, 25);
    } finally {
      child.kill();
    }
  });

  it('keeps the indices of the data when it is shuffled and limited', async () => {
    const { stdout } = await score('--shuffle', '--seed', '5', '--limit', '6', '-b', '1');
    const expected = await libraryScores(1);
    const found = records(stdout);
    assert.equal(found.length, 6);
    assert.notDeepEqual(
      found.map(({ index }) => index),
      [0, 1, 2, 3, 4, 5],
    );
    for (const { index, score } of found) assert.equal(score, expected[index]);
  });

  it('shows progress on stderr in plain lines, and what it did', async () => {
    const { stderr } = await nacue(['score', model, freshFile, '--state', state, '-o', at('told'), '-b', '5']);
    assert.match(
      stderr,
      /^score \[####\.+\] 20 % 5 of 25, [\d,.]+\/s, \d+ s left\nscored 25 samples in [\d.]+ s \([\d,.]+\/s\) into /,
    );
  });

  it('is quiet when nobody reads its output any more', async () => {
    const child = spawn(process.execPath, [
      mainFile,
      'score',
      model,
      freshFile,
      '--state',
      state,
      '--quiet',
      '-b',
      '1',
    ]);
    child.stdout.destroy();
    const { code, stderr } = await ended(child);
    assert.deepEqual([code, stderr], [0, '']);
  });

  it('says in one line that the disk is full', async () => {
    assertFails(await score('-o', '/dev/full'), 1, /cannot write '\/dev\/full': ENOSPC/);
    const full = fs.openSync('/dev/full', 'w');
    const child = spawn(process.execPath, [mainFile, 'score', model, freshFile, '--state', state, '--quiet'], {
      stdio: ['ignore', full, 'pipe'],
    });
    fs.closeSync(full);
    assertFails(await ended(child), 1, /cannot write to stdout: ENOSPC/);
  });

  it('says before any work that its file cannot be written', async () => {
    fs.mkdirSync(at('is a folder'));
    assertFails(await score('-o', at('is a folder')), 1, /cannot write '.*is a folder': EISDIR/);
    assertFails(await score('-o', at('nowhere/scores')), 1, /cannot write '.*nowhere.scores': ENOENT/);
  });

  it('leaves nothing in a folder that may not be written', async function () {
    if (process.getuid?.() !== 0) return this.skip();
    fs.mkdirSync(at('locked'));
    fs.chmodSync(folder, 0o755);
    const args = ['score', model, freshFile, '--state', state, '-o', at('locked/scores')];
    const ended = await nacue(args, { uid: 65534 });
    assertFails(ended, 1, /cannot write '.*locked.scores': EACCES/);
    assert.deepEqual(fs.readdirSync(at('locked')), []);
  });

  it('names the sample at which a batch is bad, and leaves no file', async () => {
    const data = fresh.data.slice();
    data[6 * sample] = Number.NaN;
    const bad = writeNpy(at('nan.npy'), data, fresh.shape);
    const out = at('nan.ndjson');
    const ended = await nacue(['score', model, bad, '--state', state, '--quiet', '-b', '5', '-o', out]);
    assertFails(ended, 5, /in 1 of 5 rows: 1 \(the batch begins with sample 5\)/);
    assert.ok(!fs.existsSync(out));
  });

  it('keeps all that is scored before a batch that is bad, and before data that is cut', async () => {
    const data = randomBatch(300, sampleShape, 4).data;
    data[200 * sample] = Number.NaN;
    const out = at('kept.ndjson');
    const args = ['score', model, '-', '--state', state, '--quiet', '-b', '1', '-o', out];
    const file = fs.readFileSync(writeNpy(at('kept.npy'), data, [300, ...sampleShape]));
    for (const [bytes, kept, message] of [
      [file, 200, /in 1 of 1 rows: 0 \(the batch begins with sample 200\)/],
      [file.subarray(0, file.length - 110 * sample * 4 - 1), 189, /stdin/],
    ] as const) {
      const child = spawn(process.execPath, [mainFile, ...args]);
      child.stdin.on('error', () => {}); // it does not read on after the bad batch
      child.stdin.end(bytes);
      assertFails(await ended(child), 5, message);
      assert.equal(fs.readFileSync(`${out}.partial`, 'utf8').split('\n').length - 1, kept);
    }
  });

  const bad: [string, string[], number, RegExp][] = [
    ['data that is missing', ['score', model, at('none.npy'), '--state', state], 5, /none\.npy/],
    ['a state that is missing', ['score', model, freshFile, '--state', at('no')], 4, /cannot read the state/],
    ['a model that is none', ['score', freshFile, freshFile, '--state', state], 4, /a NumPy array, not TorchScript/],
    ['samples of another shape', ['score', model, freshFile, '--state', state, '--shape', '3,8,8'], 5, /3, 8, 8/],
  ];
  for (const [name, args, code, message] of bad) {
    it(`refuses ${name} in one line`, async () => assertFails(await nacue([...args, '--quiet']), code, message));
  }
});

describe('nacue calibrate', () => {
  it('sets the threshold of the library, and scores then say what is an outlier', async () => {
    const out = at('calibrated.nacue');
    const { code, stdout } = await nacue(['calibrate', model, freshFile, '--state', state, '--tpr', '0.8', '-o', out]);
    const detector = await detectorOf(state);
    const threshold = await detector.calibrate(batchesOf(fresh, 64), { tpr: 0.8 });
    await detector.close();
    assert.deepEqual([code, Number(stdout)], [0, threshold]);
    const scored = await nacue(['score', model, freshFile, '--state', out, '--quiet']);
    const records = scored.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    for (const { score, isOutlier } of records) assert.equal(isOutlier, score > threshold);
    assert.equal(records.filter(({ isOutlier }) => isOutlier).length <= 5, true);
  });

  it('writes into the state that it read when no other is named', async () => {
    const own = at('own.nacue');
    fs.copyFileSync(state, own);
    const { code, stdout } = await nacue(['calibrate', model, freshFile, '--state', own, '--json', '--quiet']);
    assert.equal(code, 0);
    const detector = await detectorOf(own);
    assert.equal(detector.threshold, JSON.parse(stdout).threshold);
    await detector.close();
  });
});

describe('nacue merge', () => {
  it('gives the bytes of one fit on all samples', async () => {
    const halves = [0, 1].map((half) => at(`half-${half}.nacue`));
    for (const [half, file] of halves.entries()) {
      const rows = Float32Array.from(golden.fit.slice(half * 10 * sample, (half + 1) * 10 * sample));
      const data = writeNpy(at(`half-${half}.npy`), rows, [10, ...sampleShape]);
      assert.equal((await nacue(['fit', model, data, ...goldenFlags, '-o', file])).code, 0);
    }
    const { code, stderr } = await nacue(['merge', ...halves, '-o', at('merged.nacue')]);
    assert.deepEqual([code, stderr], [0, `merged 2 states into ${at('merged.nacue')}\n`]);
    assert.deepEqual(fs.readFileSync(at('merged.nacue')), fs.readFileSync(state));
  });
});

describe('nacue tune', () => {
  const { data, shape } = randomBatch(20, sampleShape, 9);
  const wide = { data: data.map((value) => 1.1 * value), shape };
  const out = at('tuned.nacue');
  let printed: Ended;
  let text: Ended;

  before(async () => {
    const ood = writeNpy(at('ood.npy'), wide.data, wide.shape);
    const sets = ['--fit', fitFile, '--id', freshFile, '--ood', `wide=${ood}`, '-b', '7'];
    const grid = ['--try-alpha', '1,100', '--try-o-star', '1,5', '--metric', 'fpr95', '--held-back', '0.25'];
    const args = ['tune', model, ...goldenFlags, ...sets, ...grid, '-o', out, '--quiet'];
    printed = await nacue([...args, '--json']);
    text = await nacue(args);
  });

  it('finds what the library finds, to the last bit, and saves that fit', async () => {
    await using detector = await NACUE.create(model, goldenOptions());
    const tuning = await tune({
      detector,
      fit: fitBatches(),
      id: batchesOf(fresh, 7),
      ood: { wide: batchesOf(wide, 7) },
      grid: { alpha: [1, 100], oStar: [1, 5] },
      metric: 'fpr95',
      heldBack: 0.25,
    });
    const { detector: tuned, ...expected } = tuning;
    const state = await tuned.toBuffer();
    await tuned.close();
    assert.deepEqual([printed.code, printed.stderr], [0, '']);
    assert.deepEqual(JSON.parse(printed.stdout), { state: out, ...JSON.parse(JSON.stringify(expected)) });
    assert.deepEqual(new Uint8Array(fs.readFileSync(out)), new Uint8Array(state));
    assert.equal(text.stdout, `${tuning}\n`);
    assert.ok(expected.best.value > 0, 'something is left to tell apart');
    assert.deepEqual(expected.samples, { fit: 20, id: 25, ood: { wide: 20 } });
  });
});

describe('nacue bench', () => {
  it('measures each batch size', async () => {
    const flags = ['--shape', sampleShape.join(','), '--seconds', '0.02', '-b', '1,4', '--json', '--quiet'];
    const { code, stdout } = await nacue(['bench', model, ...flags]);
    assert.equal(code, 0);
    const { rows, layers } = JSON.parse(stdout);
    assert.deepEqual(layers, ['avgpool']);
    assert.deepEqual(
      rows.map(({ batchSize }: { batchSize: number }) => batchSize),
      [1, 4],
    );
    for (const { fit, score, scoreMs } of rows) assert.ok(fit > 0 && score > 0 && scoreMs > 0);
  });
});

describe('usage errors', () => {
  const wrong: [string, string, RegExp][] = [
    [
      'a number with words',
      'score m d --state s --batch-size 12x',
      /--batch-size must be a whole number >= 1, received "12x"/,
    ],
    [
      'a fraction of a batch',
      'score m d --state s -b 1.5',
      /--batch-size must be a whole number >= 1, received 1\.5|"1\.5"/,
    ],
    [
      'a hexadecimal number',
      'score m d --state s --limit 0x10',
      /--limit must be a whole number >= 1, received "0x10"/,
    ],
    ['an empty number', 'score m d --state s --limit=', /--limit must be a whole number >= 1, received ""/],
    [
      'a number out of range',
      'calibrate m d --state s --tpr 1.5',
      /--tpr must be a number > 0 and <= 1, received 1\.5/,
    ],
    ['a zero that is too little', 'calibrate m d --state s --tpr 0', /--tpr must be a number > 0 and <= 1, received 0/],
    ['a number in a list', 'fit m d -o s --layers a --alpha 1,,2', /--alpha must be a number > 0, received ""/],
    ['a choice', 'score m d --state s --format xml', /--format must be one of ndjson, csv, json, npy, received "xml"/],
    ['a missing option', 'score m d', /--state is missing; see `nacue score --help`/],
    ['missing data', 'score m --state s', /missing required argument 'DATA'/],
    ['a seed without --shuffle', 'score m d --state s --seed 1', /--seed is for --shuffle/],
    ['--resume without a file', 'score m d --state s --resume', /--resume needs a file/],
    ['--resume with stdin', 'score m - --state s --resume -o f', /--resume cannot read stdin again/],
    ['logits in .npy', 'score m d --state s --format npy --logits', /--format npy has nothing but scores/],
    ['explanations in CSV', 'score m d --state s --format csv --explain 2', /--explain does not fit/],
    [
      'an OOD set without a name',
      'tune m --layers a --fit d --id d --ood d -o s',
      /--ood must be NAME=DATA, received "d"/,
    ],
    ['a shell that is none', 'completion tcsh', /SHELL must be one of bash, zsh, fish, received "tcsh"/],
  ];
  for (const [name, line, message] of wrong) {
    it(`refuses ${name}`, async () => assertFails(await nacue(line.split(' ')), 2, message));
  }
});

describe('failures of the library', () => {
  it('name options as the command line does, and nothing else', async () => {
    const colours = writeNpy(at('oStar.npy'), randomBatch(2, [3, 16, 16]).data, [2, 3, 16, 16]);
    const other = ['score', fixture('tiny_resnet.pt'), colours, '--state', state, '--quiet'];
    assertFails(await nacue(other), 4, /; --allow-model-mismatch takes it all the same$/m);
    const cut = at('cut mBins.npy');
    fs.writeFileSync(cut, fs.readFileSync(colours).subarray(0, 500));
    assertFails(await nacue(['fit', model, cut, ...goldenFlags, '-o', at('cut')]), 5, /cut mBins\.npy/);
    const pictures = at('pictures');
    fs.mkdirSync(pictures);
    fs.writeFileSync(path.join(pictures, '1.png'), '');
    const bare = await nacue(['score', model, pictures, '--state', state]);
    assertFails(bare, 2, /^nacue: --transform must be given for images: [^\n]* JSON file(?!, received)/m);
  });
});

describe('where options come from', () => {
  const score = eachCommand(commands).find(({ words }) => words[0] === 'score') as ReturnType<
    typeof eachCommand
  >[number];
  const home = process.cwd();
  const place = at('project/deep/down');
  const config = at('project/nacue.config.json');

  before(() => fs.mkdirSync(place, { recursive: true }));
  beforeEach(() => process.chdir(place));
  afterEach(() => {
    process.chdir(home);
    for (const name of ['NACUE_BATCH_SIZE', 'NACUE_SHUFFLE', 'NACUE_CONFIG']) delete process.env[name];
    fs.rmSync(config, { force: true });
  });

  const resolve = (given: GivenOptions = {}) =>
    resolveOptions({ ...score, given: { state: ['s'], ...given } }, commands);
  const configure = (value: unknown) => fs.writeFileSync(config, JSON.stringify(value));

  it('is the command line, then the environment, then the file, then the default', () => {
    assert.equal(resolve().batchSize, 64);
    configure({ batchSize: 5 });
    assert.equal(resolve().batchSize, 5);
    configure({ batchSize: 5, score: { batchSize: 6 } });
    assert.equal(resolve().batchSize, 6);
    process.env.NACUE_BATCH_SIZE = '7';
    assert.equal(resolve().batchSize, 7);
    assert.equal(resolve({ batchSize: ['8'] }).batchSize, 8);
    process.env.NACUE_BATCH_SIZE = '';
    assert.equal(resolve().batchSize, 6);
  });

  it('takes flags from all of them, and back with --no-', async () => {
    configure({ shuffle: true });
    assert.equal(resolve().shuffle, true);
    process.env.NACUE_SHUFFLE = 'no';
    assert.equal(resolve().shuffle, false);
    assert.equal(resolve({ shuffle: true }).shuffle, true);
    const env = { NACUE_SHUFFLE: 'yes', NACUE_QUIET: '1' };
    const { stdout } = await nacue(['score', model, freshFile, '--state', state, '--no-shuffle', '--limit', '3'], {
      env,
    });
    assert.deepEqual(stdout.match(/"index":\d+/g), ['"index":0', '"index":1', '"index":2']);
  });

  it('reads paths relative to the file, and lists as one value or several', () => {
    configure({ score: { state: 'sub/s.nacue' }, featureReduce: 'mean', layers: ['a', 'b'] });
    assert.equal(resolve({ state: undefined }).state, path.join(fs.realpathSync(at('project')), 'sub/s.nacue'));
    assert.deepEqual(resolve().featureReduce, ['mean']);
  });

  it('takes another file from --config and NACUE_CONFIG', () => {
    configure({ batchSize: 5 });
    fs.writeFileSync(at('other.json'), JSON.stringify({ batchSize: 9 }));
    assert.equal(resolve({ config: [at('other.json')] }).batchSize, 9);
    process.env.NACUE_CONFIG = at('other.json');
    assert.equal(resolve().batchSize, 9);
  });

  it('never sets what belongs to one run', () => {
    configure({ score: { resume: true } });
    assert.throws(resolve, /score\.resume/);
  });

  const refused: [string, unknown, RegExp][] = [
    ['a key that no command has', { batchsize: 5 }, /has the key "batchsize", which is none of /],
    ['a key that the command has not', { merge: { batchSize: 5 } }, /has the key "merge\.batchSize"/],
    [
      'a wrong value, also for another command',
      { fit: { mBins: ['50'] } },
      /fit\.mBins in .* must be a whole number >= 2 and <= 100000, received "50"/,
    ],
    ['a wrong type', { shuffle: 1 }, /shuffle in .* must be true or false, received 1/],
    ['an empty list', { score: { featureReduce: [] } }, /must be a list with at least one value/],
    ['a section that is none', { score: 5 }, /score in .* must be an object/],
    ['what is no object', [], /must be an object of options/],
  ];
  for (const [name, value, message] of refused) {
    it(`refuses ${name}`, () => {
      configure(value);
      assert.throws(resolve, message);
    });
  }

  it('refuses a file that is no JSON as a usage error', async () => {
    fs.writeFileSync(at('broken.json'), '{');
    const args = ['score', model, freshFile, '--state', state, '--config', at('broken.json')];
    assertFails(await nacue(args), 2, /cannot read the configuration .*broken\.json/);
  });
});

describe('nacue.schema.json', () => {
  it('is what the tables of the commands say', () => {
    const written = JSON.parse(fs.readFileSync(path.join(__dirname, '..', 'nacue.schema.json'), 'utf8'));
    assert.deepEqual(written, JSON.parse(JSON.stringify(configSchema(commands))), 'run `npm run reference`');
  });
});

describe('nacue completion', () => {
  for (const shell of shells) {
    it(`names every command and option for ${shell}`, async () => {
      const { code, stdout } = await nacue(['completion', shell]);
      assert.equal(code, 0);
      for (const { words, command } of eachCommand(commands)) {
        for (const word of words) assert.ok(stdout.includes(word), word);
        for (const name of Object.keys(command.options)) assert.ok(stdout.includes(longFlag(name).slice(2)), name);
      }
    });
  }

  const lines: [string, string][] = [
    ['nacue sco', 'score'],
    ['nacue libtorch in', 'install'],
    ['nacue score --form', '--format'],
    ['nacue score --format n', 'ndjson npy'],
    ['nacue libtorch install --cu', '--cuda'],
    ['nacue fit --chunk-size a', 'auto'],
    ['nacue completion f', 'fish'],
  ];
  for (const [line, expected] of lines) {
    it(`completes \`${line}\` in bash`, () => {
      const script = `${completionScripts.bash(commands)}
COMP_WORDS=(${line}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _nacue; echo "\${COMPREPLY[@]}"`;
      assert.equal(execFileSync('bash', ['-c', script], { encoding: 'utf8' }), `${expected}\n`);
    });
  }

  it('completes names with spaces in bash', () => {
    fs.writeFileSync(at('two words.npy'), '');
    const script = `${completionScripts.bash(commands)}
COMP_WORDS=(nacue score two); COMP_CWORD=2; _nacue; printf '%s|' "\${COMPREPLY[@]}"`;
    assert.equal(execFileSync('bash', ['-c', script], { encoding: 'utf8', cwd: folder }), 'two words.npy|');
  });
});
