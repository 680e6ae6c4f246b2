import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { openSamples } from 'nacue';
import { ResumableFile } from '../dist/outputs/resumable-file.js';
import { type Ended, ended, mainFile, nacue } from './cli.js';
import { fixture, randomBatch, sampleShape } from './fixtures.js';
import { writeNpy } from './npy.js';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nacue bad commands '));
after(() => fs.rmSync(folder, { recursive: true }));

const at = (name: string) => path.join(folder, name);
const model = at('model.pt');
const data = at('data.npy');
const state = at('fit.nacue');

function assertFails({ code, stdout, stderr }: Ended, expected: number, message: RegExp): void {
  assert.match(stderr, message);
  assert.deepEqual([code, stdout], [expected, '']);
  assert.match(stderr, /^nacue: \P{Cc}*\n$/u);
}

before(async () => {
  fs.copyFileSync(fixture('small.pt'), model);
  const { data: values, shape } = randomBatch(30, sampleShape, 5);
  writeNpy(data, values, shape);
  const { code, stderr } = await nacue(['fit', model, data, '--layers', 'avgpool', '-o', state]);
  assert.equal(code, 0, stderr);
});

describe('an output that is also an input', () => {
  const evaluation = ['eval', model, '--state', state, '--id', data, '--far', `x=${data}`];
  const cases: [string, string[], string][] = [
    ['fit over the model', ['fit', model, data, '--layers', 'avgpool', '-o', model], model],
    ['fit over the data', ['fit', model, data, '--layers', 'avgpool', '-o', data], data],
    ['calibrate over the data', ['calibrate', model, data, '--state', state, '-o', data], data],
    ['score over the data', ['score', model, data, '--state', state, '-o', data], data],
    ['score over the state', ['score', model, data, '--state', state, '-o', state], state],
    ['merge over a state', ['merge', state, state, '-o', state], state],
    ['a report over the model', [...evaluation, '--report', model], model],
    ['an evaluation over a set', [...evaluation, '-o', data], data],
  ];
  for (const [title, args, file] of cases) {
    it(`is refused: ${title}`, async () => {
      const before = fs.readFileSync(file);
      assertFails(await nacue(args), 2, /would replace .*, which is read; see `nacue \w+ --help`/);
      assert.deepEqual(fs.readFileSync(file), before);
    });
  }

  it('is seen through links and lists', async () => {
    fs.symlinkSync(data, at('link.npy'));
    fs.writeFileSync(at('list.txt'), `${data}\n`);
    const scored = (given: string, out: string) => nacue(['score', model, given, '--state', state, '-o', out]);
    assertFails(await scored(data, at('link.npy')), 2, /would replace/);
    assertFails(await scored(`@${at('list.txt')}`, at('list.txt')), 2, /would replace/);
  });

  it('is refused for two outputs in one file', async () => {
    assertFails(
      await nacue([...evaluation, '-o', at('both'), '--report', at('both')]),
      2,
      /--out and --report name the same file/,
    );
  });
});

describe('what failed', () => {
  const nasty = 'a\nb\x1b[31m';
  it('is one line without control characters, whatever names hold', async () => {
    assertFails(await nacue(['score', nasty, data, '--state', state]), 4, /'a\\x0ab\\x1b\[31m'/);
    assertFails(await nacue(['score', model, data, '--state', nasty]), 4, /'a\\x0ab\\x1b\[31m'/);
    assertFails(await nacue(['score', model, data, '--state', state, '-o', `${nasty}/x`]), 1, /\\x1b/);
    assertFails(await nacue(['fit', model, data, '--layers', nasty, '-o', at('x')]), 4, /\\x1b/);
    assertFails(await nacue(['report', at(nasty)]), 5, /\\x1b/);
    assertFails(await nacue([nasty]), 2, /\\x1b/);
    fs.writeFileSync(at('bad.json'), '{\n"a": \x1b,\n}');
    assertFails(await nacue(['score', model, data, '--state', state, '--config', at('bad.json')]), 2, /configuration/);
  });

  it('names the flag where the library names its option', async () => {
    const args = ['score', model, data, '--state', state, '--device', 'gpu'];
    assertFails(await nacue(args), 2, /^nacue: --device must be .*; see `nacue score --help`/);
    assertFails(await nacue(['fit', model, data, '--alpha', '1e999', '-o', at('x')]), 2, /received Infinity/);
  });

  it('is said of lists and arrays that cannot be', async () => {
    fs.writeFileSync(at('binary.txt'), 'a\0b\n');
    assertFails(await nacue(['score', model, `@${at('binary.txt')}`, '--state', state]), 5, /is no text/);
    const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2500000000), }\n";
    const length = Buffer.from([header.length % 256, header.length >> 8]);
    const bytes = Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), length, Buffer.from(header)]);
    fs.writeFileSync(at('huge.npy'), bytes);
    fs.truncateSync(at('huge.npy'), bytes.length + 10_000_000_000);
    const samples = await openSamples([at('huge.npy')]);
    const first = samples.batches({ batchSize: 1 }).next();
    await assert.rejects(first, { code: 'ERR_NACUE_OUT_OF_MEMORY' });
    await samples.close();
  });

  it('leaves the table of an evaluation that could not be written', async () => {
    const out = at('gone');
    fs.mkdirSync(out);
    const args = ['eval', model, '--state', state, '--id', data, '--far', `x=${data}`, '-o', path.join(out, 'e.json')];
    const child = spawn(process.execPath, [mainFile, ...args]);
    child.stderr.once('data', () => fs.rmSync(out, { recursive: true })); // it scores; the folder was looked at before
    const { code, stdout, stderr } = await ended(child);
    assert.equal(code, 1, stderr);
    assert.match(stderr, /cannot write/);
    assert.match(stdout, /AUROC/);
  });
});

describe('stdin that never comes', () => {
  it('does not keep Ctrl-C from ending the command', async () => {
    const child = spawn(process.execPath, [mainFile, 'score', model, '-', '--state', state]);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    child.kill('SIGINT');
    const { code, stdout } = await ended(child);
    assert.deepEqual([code, stdout], [130, '']);
  });
});

describe('two runs that write one file', () => {
  const run = { a: 1 };
  it('are one too many, until the first one has ended', async () => {
    const file = at('scores');
    const first = await ResumableFile.open(file, run, false);
    await first.write(Buffer.from('first\n'), 1, 1);
    for (const resume of [false, true])
      await assert.rejects(ResumableFile.open(file, run, resume), {
        code: 'ERR_NACUE_OUTPUT',
        message: /another run is writing it/,
      });
    await first.finish(Buffer.from('end\n'));
    assert.equal(fs.readFileSync(file, 'utf8'), 'first\nend\n');
    const next = await ResumableFile.open(file, run, false);
    assert.equal(await next.leave(), false);
    assert.deepEqual(
      fs.readdirSync(folder).filter((name) => name.startsWith('scores')),
      ['scores'],
    );
  });

  it('are told from a journal that somebody has changed', async () => {
    const file = at('changed');
    const first = await ResumableFile.open(file, run, false);
    await first.write(Buffer.from('first\n'), 1, 1);
    assert.equal(await first.leave(), true);
    const [head] = fs.readFileSync(`${file}.resume`, 'utf8').split('\n');
    for (const line of ['null', '5', '{"bytes":-5,"records":0,"next":0}', '{"bytes":1,"records":null,"next":1}']) {
      fs.writeFileSync(`${file}.resume`, `${head}\n${line}\n`);
      await assert.rejects(ResumableFile.open(file, run, true), { message: /its journal is damaged/ });
    }
    for (const line of ['null', '{"format":1,"run":null}']) {
      fs.writeFileSync(`${file}.resume`, `${line}\n`);
      await assert.rejects(ResumableFile.open(file, run, true), { code: 'ERR_NACUE_OUTPUT', message: /cannot go on/ });
    }
  });
});
