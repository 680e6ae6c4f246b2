import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type Ended, ended, mainFile, nacue } from './cli.js';
import { fixture, randomBatch, randomNumbers, sampleShape } from './fixtures.js';
import { writeNpy } from './npy.js';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nacue resume '));
after(() => fs.rmSync(folder, { recursive: true }));

const at = (name: string) => path.join(folder, name);
const model = fixture('small.pt');
const count = 20_000;
const samples = randomBatch(count, sampleShape, 4);
const data = writeNpy(at('data.npy'), samples.data, samples.shape);
const state = at('fit.nacue');

const line = (out: string, ...more: string[]) => [
  ...['score', model, data, '--state', state, '--quiet', '-b', '8', '--threads', '1', '-o', out],
  ...more,
];

/** Starts a run and ends it with a signal: `afterMs` after its file has begun to grow. */
async function cutOff(args: readonly string[], out: string, signal: NodeJS.Signals, afterMs: number): Promise<Ended> {
  const grownFrom = sizeOf(`${out}.partial`);
  const child = spawn(process.execPath, [mainFile, ...args]);
  const end = ended(child);
  while (child.exitCode === null && child.signalCode === null && sizeOf(`${out}.partial`) <= grownFrom) {
    await setTimeout(5);
  }
  await setTimeout(afterMs);
  child.kill(signal);
  return end;
}

function sizeOf(file: string): number {
  return fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

before(async () => {
  const args = ['fit', model, data, '--limit', '200', '--layers', 'layer1,avgpool', '--quiet', '-o', state];
  assert.equal((await nacue(args)).code, 0);
});

describe('nacue score --resume', function () {
  this.timeout(240_000);
  const whole = at('whole.ndjson');

  before(async () => {
    assert.equal((await nacue(line(whole))).code, 0);
    assert.equal(fs.readFileSync(whole, 'utf8').split('\n').length - 1, count);
  });

  it('gives the same file after 20 kills at random moments', async () => {
    const random = randomNumbers(83);
    const out = at('killed.ndjson');
    let kills = 0;
    let furthest = 0;
    while (kills < 20) {
      // Every fourth is killed before it has begun, the others while it writes.
      const isEarly = kills % 4 === 3;
      const child = isEarly ? spawn(process.execPath, [mainFile, ...line(out, '--resume')]) : undefined;
      if (child) {
        await setTimeout(500 * random());
        child.kill('SIGKILL');
        await ended(child);
        kills += 1;
        continue;
      }
      const { signal } = await cutOff(line(out, '--resume'), out, 'SIGKILL', 400 * random());
      if (signal === 'SIGKILL' && !fs.existsSync(out)) {
        furthest = Math.max(furthest, sizeOf(`${out}.partial`));
        kills += 1;
      } else {
        assert.deepEqual(fs.readFileSync(out), fs.readFileSync(whole), 'nothing under the final name before the end');
        fs.rmSync(out);
      }
    }
    assert.ok(furthest > 0);
    assert.equal((await nacue(line(out, '--resume'))).code, 0);
    assert.deepEqual(fs.readFileSync(out), fs.readFileSync(whole));
    assert.deepEqual(
      fs.readdirSync(folder).filter((name) => name.startsWith('killed')),
      ['killed.ndjson'],
    );
  });

  for (const format of ['csv', 'json', 'npy']) {
    it(`goes on with ${format} after a kill, shuffled`, async () => {
      const flags = ['--format', format, '--shuffle', '--limit', '12000'];
      const undisturbed = at(`undisturbed.${format}`);
      const out = at(`disturbed.${format}`);
      assert.equal((await nacue(line(undisturbed, ...flags))).code, 0);
      const { signal } = await cutOff(line(out, ...flags), out, 'SIGKILL', 350);
      assert.equal(signal, 'SIGKILL');
      const journal = fs.readFileSync(`${out}.resume`, 'utf8').split('\n');
      assert.ok(journal.length > 2, 'there is a checkpoint to go on from');
      assert.equal((await nacue(line(out, ...flags, '--resume'))).code, 0);
      assert.deepEqual(fs.readFileSync(out), fs.readFileSync(undisturbed));
    });
  }

  it('goes on after Ctrl-C, which writes the batches that have begun', async () => {
    const out = at('interrupted.ndjson');
    const loud = line(out).filter((word) => word !== '--quiet');
    const { code, stdout, stderr } = await cutOff(loud, out, 'SIGINT', 100);
    assert.deepEqual([code, stdout], [130, '']);
    assert.match(stderr, /\nwhat is scored is kept: the same command with --resume goes on\n$/);
    assert.ok(!fs.existsSync(out));
    const kept = fs.readFileSync(`${out}.partial`, 'utf8');
    assert.ok(kept.length > 0 && kept.endsWith('\n') && fs.readFileSync(whole, 'utf8').startsWith(kept));
    const resumed = await nacue([...loud, '--resume']);
    const records = (kept.split('\n').length - 1).toLocaleString('en-US');
    assert.match(resumed.stderr, new RegExp(`^going on after ${records} records\n`));
    assert.deepEqual(fs.readFileSync(out), fs.readFileSync(whole));
  });

  it('goes on when there is room again after a file that could not grow', async () => {
    const out = at('no room.ndjson');
    const limited = ['ulimit -f 200; exec "$0" "$@"', process.execPath, mainFile, ...line(out)]; // 1,024 bytes each
    const { code, stderr } = await ended(spawn('bash', ['-c', ...limited]));
    assert.equal(code, 1);
    assert.match(stderr, /^nacue: cannot write '.*no room\.ndjson': EFBIG[^\n]*\n$/);
    assert.ok(!fs.existsSync(out));
    assert.equal((await nacue(line(out, '--resume'))).code, 0);
    assert.deepEqual(fs.readFileSync(out), fs.readFileSync(whole));
  });

  it('begins anew where there is nothing to go on with', async () => {
    const out = at('nothing.ndjson');
    assert.equal((await nacue(line(out, '--resume'))).code, 0);
    assert.deepEqual(fs.readFileSync(out), fs.readFileSync(whole));
  });

  it('refuses to go on with another run, and keeps what that one has', async () => {
    const out = at('other.ndjson');
    await cutOff(line(out), out, 'SIGINT', 50);
    const kept = fs.readFileSync(`${out}.partial`);
    const others: [string[], RegExp][] = [
      [['--limit', '100'], /--limit was not given and is 100 now/],
      [['--batch-size', '9'], /--batch-size was 8 and is 9 now/],
      [['--logits'], /--logits was false and is true now/],
    ];
    for (const [flags, message] of others) {
      const { code, stderr } = await nacue(line(out, '--resume', ...flags));
      assert.equal(code, 1);
      assert.match(stderr, message);
      assert.match(stderr, /^nacue: cannot go on with the run of [^\n]*leave out --resume to begin anew\n$/);
    }
    assert.deepEqual(fs.readFileSync(`${out}.partial`), kept);
  });

  it('refuses a journal that is damaged', async () => {
    const out = at('damaged.ndjson');
    await cutOff(line(out), out, 'SIGINT', 50);
    const [first] = fs.readFileSync(`${out}.resume`, 'utf8').split('\n');
    fs.writeFileSync(`${out}.resume`, `${first}\nno checkpoint\n`);
    const { code, stderr } = await nacue(line(out, '--resume'));
    assert.equal(code, 1);
    assert.match(stderr, /damaged\.ndjson': its journal is damaged/);
  });

  it('takes the permissions and the place of the file that it replaces', async () => {
    const real = at('real.ndjson');
    fs.writeFileSync(real, 'old', { mode: 0o600 });
    fs.symlinkSync(real, at('link.ndjson'));
    assert.equal((await nacue(line(at('link.ndjson'), '--limit', '8'))).code, 0);
    assert.ok(fs.lstatSync(at('link.ndjson')).isSymbolicLink());
    assert.equal(fs.statSync(real).mode & 0o777, 0o600);
    assert.equal(fs.readFileSync(real, 'utf8').split('\n').length - 1, 8);
  });
});
