/** At any moment the old state or the new one is there, whole: kills, full disks, folders that cannot be written. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { NACUE } from 'nacue';
import { writeAtomically } from '../dist/state.js';
import { rejectsWith, throwsWith } from './failures.js';
import { fitRows, fixture, randomNumbers } from './fixtures.js';
import { repeats } from './repeats.js';
import { goldenDetector, goldenState } from './states.js';

const small = fixture('small.pt');
const script = path.join(__dirname, 'atomic-save', 'child.cjs');
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nacue-save-'));
after(() => fs.rmSync(folder, { recursive: true }));

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));
const temporaries = (dir: string) => fs.readdirSync(dir).filter((name) => name.endsWith('.tmp'));

describe('detector.save', function () {
  this.timeout(120_000);
  /** Two states of different sizes, 1.3 MB and 2 MB, and their files. */
  let states: Buffer[];
  let files: string[];
  before(async () => {
    const made = [await goldenState({ mBins: 10_001 }), await goldenState({ mBins: 16_000 })];
    states = made.map((bytes) => Buffer.from(bytes));
    files = states.map((bytes, i) => {
      const file = path.join(folder, `state-${i}`);
      fs.writeFileSync(file, bytes);
      return file;
    });
  });

  const subfolder = (name: string) => {
    const dir = path.join(folder, name);
    fs.mkdirSync(dir, { recursive: true });
    return dir;
  };

  async function untilReady(child: ChildProcess): Promise<void> {
    let errors = '';
    child.stderr?.on('data', (text) => (errors += text));
    const [text] = (await Promise.race([
      once(child.stdout as NodeJS.ReadableStream, 'data'),
      once(child, 'close').then(() => assert.fail(`the child ended: ${errors}`)),
    ])) as [Buffer];
    assert.equal(String(text), 'ready\n');
  }

  /** Starts a child that writes one state after the other, kills it when `moment` has come. Whether the file is whole. */
  async function survivesKill(scenario: string[], moment: () => Promise<unknown>): Promise<boolean> {
    const child = spawn(process.execPath, [script, ...scenario, ...files], { stdio: ['ignore', 'pipe', 'pipe'] });
    const closed = once(child, 'close');
    await untilReady(child);
    await moment();
    child.kill('SIGKILL');
    const [, signal] = await closed;
    assert.equal(signal, 'SIGKILL');
    const found = fs.readFileSync(scenario[1] as string);
    return states.some((state) => state.equals(found));
  }

  /** Kills children at random moments; how many left a file that is neither state. */
  async function tornBy(kills: number, writer: string[], dir: string, seed: number, most = kills): Promise<number> {
    const target = path.join(dir, 'state');
    const random = randomNumbers(seed);
    fs.copyFileSync(files[0] as string, target);
    let torn = 0;
    for (let time = 0; time < kills && torn < most; ++time) {
      const [scenario, ...rest] = writer as [string, ...string[]];
      if (!(await survivesKill([scenario, target, ...rest], () => sleep(random() * 30)))) torn += 1;
    }
    return torn;
  }

  const kills = repeats(95, 10);
  it(`leaves the old state or the new one when it is killed, ${2 * kills} times without LibTorch`, async function () {
    const dirs = [subfolder('kills-1'), subfolder('kills-2')];
    const torn = await Promise.all(dirs.map((dir, i) => tornBy(kills, ['write', 'atomic'], dir, i + 1)));
    assert.deepEqual(torn, [0, 0]);
    for (const dir of dirs) {
      const left = temporaries(dir).length;
      assert.equal(fs.readdirSync(dir).length, left + 1);
      await using restored = await NACUE.restore(small, path.join(dir, 'state'));
      assert.equal(restored.samples, 20);
    }
    const total = dirs.reduce((sum, dir) => sum + temporaries(dir).length, 0);
    if (this.test) this.test.title += ` (${total} temporary files left)`;
  });

  const killsWhileWriting = repeats(30, 10);
  it(`leaves the old state or the new one when it is killed while it writes, ${killsWhileWriting} times`, async () => {
    const dir = subfolder('kills-while-writing');
    const target = path.join(dir, 'state');
    fs.copyFileSync(files[0] as string, target);
    for (let time = 0; time < killsWhileWriting; ++time) {
      const before = temporaries(dir).length;
      const writing = async () => {
        while (temporaries(dir).length === before) await nextTurn();
      };
      assert.ok(await survivesKill(['write', target, 'atomic'], writing));
    }
    const left = temporaries(dir).length;
    assert.ok(left >= killsWhileWriting / 2, `${left} of ${killsWhileWriting} kills fell between open and rename`);
  });

  const killsWithLibTorch = repeats(10, 3);
  it(`leaves the old state or the new one when it is killed, ${killsWithLibTorch} times with LibTorch`, async () => {
    const dir = subfolder('kills-3');
    assert.equal(await tornBy(killsWithLibTorch, ['save'], dir, 3), 0);
    await using restored = await NACUE.restore(small, path.join(dir, 'state'));
    assert.equal(restored.samples, 20);
  });

  it('is what makes it so: a plain write is torn', async () => {
    assert.equal(await tornBy(60, ['write', 'plain'], subfolder('plain'), 4, 1), 1);
  });

  it('passes over the temporary files of killed processes', async () => {
    const dir = subfolder('leftovers');
    fs.writeFileSync(path.join(dir, `.state.${process.pid}-0123456789ab.tmp`), 'half a st');
    await using detector = await goldenDetector();
    await detector.save(path.join(dir, 'state'));
    assert.deepEqual(fs.readFileSync(path.join(dir, 'state')), Buffer.from(await detector.toBuffer()));
  });

  it('may run many times at once on one file: one of them is there, whole', async () => {
    const target = path.join(subfolder('at once'), 'state');
    await using detector = await goldenDetector();
    const written = [await detector.toBuffer()];
    const saves = [detector.save(target)];
    for (let row = 0; row < 8; ++row) {
      saves.push(detector.partialFit([fitRows(row, row + 1)]).then(() => {}));
      saves.push(detector.save(target));
      saves.push(detector.toBuffer().then((bytes) => void written.push(bytes)));
    }
    await Promise.all(saves);
    const found = fs.readFileSync(target);
    assert.ok(written.some((bytes) => found.equals(bytes)));
    assert.deepEqual(fs.readdirSync(path.dirname(target)), ['state']);
  });

  it('follows a link and keeps the permissions of the file that it replaces', async () => {
    const dir = subfolder('linked');
    const [file, link] = [path.join(dir, 'state'), path.join(dir, 'link')];
    fs.writeFileSync(file, 'old');
    fs.chmodSync(file, 0o640);
    fs.symlinkSync('state', link);
    await writeAtomically(link, states[0] as Buffer);
    assert.ok(fs.lstatSync(link).isSymbolicLink());
    assert.ok((states[0] as Buffer).equals(fs.readFileSync(file)));
    assert.equal(fs.statSync(file).mode & 0o777, 0o640);
  });

  it('follows a link that leads to nothing yet, and replaces nothing but files', async () => {
    const dir = subfolder('special');
    const at = (name: string) => path.join(dir, name);
    fs.symlinkSync('new', at('dangling'));
    await writeAtomically(at('dangling'), states[0] as Buffer);
    assert.ok(fs.lstatSync(at('dangling')).isSymbolicLink());
    assert.ok((states[0] as Buffer).equals(fs.readFileSync(at('new'))));
    fs.symlinkSync('loop', at('loop'));
    execFileSync('mkfifo', [at('pipe')]);
    for (const [name, message] of [
      ['loop', /too many/],
      ['pipe', /no regular file/],
    ] as const) {
      await rejectsWith(writeAtomically(at(name), states[0] as Buffer), { code: 'ERR_NACUE_STATE_WRITE', message });
    }
    assert.ok(fs.lstatSync(at('pipe')).isFIFO());
    assert.deepEqual(temporaries(dir), []);
  });

  it('takes relative paths and names of unusual characters', async () => {
    await using detector = await goldenDetector();
    const name = `näme with "quotes" and\nlines ${'x'.repeat(40)}`;
    const target = path.relative(process.cwd(), path.join(subfolder('names'), name));
    await detector.save(target);
    assert.deepEqual(fs.readdirSync(path.dirname(target)), [name]);
    await using restored = await NACUE.restore(small, target);
    assert.equal(restored.samples, 20);
  });

  it('takes the longest name that there can be', async () => {
    await using detector = await goldenDetector();
    for (const name of ['x'.repeat(255), 'ü'.repeat(127), '😀'.repeat(63)]) {
      await detector.save(path.join(subfolder('long names'), name));
      assert.ok(fs.existsSync(path.join(folder, 'long names', name)));
    }
  });

  describe('refuses with ERR_NACUE_STATE_WRITE, and leaves no temporary file,', () => {
    const paths: [string, () => string, RegExp][] = [
      [
        'a folder that is missing',
        () => path.join(folder, 'missing', 'state'),
        /^cannot write the state '.*missing\/state': ENOENT/,
      ],
      [
        'a path that is a folder',
        () => path.join(subfolder('is a folder'), '.'),
        /(EISDIR|EBUSY|EEXIST|ENOTEMPTY|ENOENT|EINVAL)/,
      ],
      ['the path of a folder', () => subfolder('another folder'), /EISDIR/],
      ['a path below a file', () => path.join(small, 'state'), /ENOTDIR/],
      ['a name that is too long', () => path.join(folder, 'x'.repeat(300)), /ENAMETOOLONG/],
    ];
    for (const [name, make, message] of paths) {
      it(name, async () => {
        await using detector = await goldenDetector();
        const target = make();
        const error = await rejectsWith(detector.save(target), { code: 'ERR_NACUE_STATE_WRITE', message });
        assert.ok(error.cause instanceof Error);
        for (const dir of [folder, path.dirname(small), subfolder('is a folder'), subfolder('another folder')]) {
          assert.deepEqual(temporaries(dir), []);
        }
        assert.equal((await detector.toBuffer()).length > 0, true);
      });
    }

    it('a state that could not be read again', async () => {
      const dir = subfolder('too large');
      const writing = writeAtomically(path.join(dir, 'state'), new Uint8Array(2 ** 31));
      await rejectsWith(writing, {
        code: 'ERR_NACUE_STATE_WRITE',
        message: /more than 2 GiB, which cannot be read again$/,
      });
      assert.deepEqual(fs.readdirSync(dir), []);
    });

    /** Saves the larger state over the smaller in a child; returns its failure, after a look at what it left. */
    function failsToSave(dir: string, command: string, args: string[]): { code: string; message: string } {
      // The leak check of the sanitizers fails in a process that has given up root's rights.
      const env = { ...process.env, ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ''}:detect_leaks=0` };
      const child = spawnSync(command, args, { encoding: 'utf8', timeout: 60_000, env });
      assert.equal(child.stderr, '');
      assert.equal(child.status, 0);
      assert.notEqual(child.stdout, 'saved\n');
      const failure = JSON.parse(child.stdout) as { name: string; code: string; message: string };
      assert.deepEqual([failure.name, failure.code], ['NacueError', 'ERR_NACUE_STATE_WRITE']);
      assert.ok(!failure.message.includes('\n'));
      assert.deepEqual(fs.readdirSync(dir), ['state']);
      return failure;
    }

    it('a disk that is full: the old state stays', async function () {
      const dir = subfolder('disk');
      try {
        execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', dir], { stdio: 'pipe' });
      } catch {
        assert.ok(this.test);
        this.test.title += ' (not run: this user may not mount a small disk)';
        this.skip();
      }
      try {
        const target = path.join(dir, 'state');
        const before = Buffer.from(await goldenState());
        fs.writeFileSync(target, before);
        const { message } = failsToSave(dir, process.execPath, [script, 'once', target, files[1] as string]);
        assert.match(message, /ENOSPC/);
        assert.deepEqual(fs.readFileSync(target), before);
        await using restored = await NACUE.restore(small, target);
        assert.equal(restored.samples, 20);
      } finally {
        execFileSync('umount', [dir]);
      }
    });

    it('a file that grows over the limit of the process: the old state stays', async () => {
      const dir = subfolder('limit');
      const target = path.join(dir, 'state');
      const before = Buffer.from(await goldenState());
      fs.writeFileSync(target, before);
      const command = `ulimit -f 256 && exec "$@"`;
      const args = ['-c', command, 'sh', process.execPath, script, 'once', target, files[1] as string];
      const { message } = failsToSave(dir, 'sh', args);
      assert.match(message, /EFBIG/);
      assert.deepEqual(fs.readFileSync(target), before);
    });

    it('a folder that may not be written: the old state stays', async () => {
      const dir = subfolder('read only');
      const target = path.join(dir, 'state');
      const before = Buffer.from(await goldenState());
      fs.writeFileSync(target, before);
      fs.chmodSync(folder, 0o755);
      fs.chmodSync(dir, 0o555);
      try {
        const user = process.getuid?.() === 0 ? ['65534'] : [];
        const args = [script, 'once', target, files[1] as string, ...user];
        assert.match(failsToSave(dir, process.execPath, args).message, /EACCES/);
        assert.deepEqual(fs.readFileSync(target), before);
        throwsWith(() => NACUE.merge([path.join(dir, 'none')]), {
          code: 'ERR_NACUE_STATE_NOT_FOUND',
          message: /ENOENT/,
        });
      } finally {
        fs.chmodSync(dir, 0o755);
      }
    });
  });
});
