import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { NACUE, NacueError, openSamples, type SampleBatch, type SampleOptions, type Samples } from 'nacue';
import { RandomNumbers } from '../lib/data/random-numbers.js';
import { npyBytes, npyWithHeader, numberedRows, safetensorsBytes, writeSparseNpy, zip64Bytes } from './arrays.js';
import { ended } from './cli.js';
import { below, damage, pick } from './damage.js';
import { type Expected, rejectsWith, throwsWith } from './failures.js';
import { fitRows, fixture, golden, goldenOptions } from './fixtures.js';

const root = path.join(__dirname, '..');
const expected = Float32Array.from({ length: 30 }, (_, i) => i);
const array = (name: string) => fixture(path.join('arrays', name));

let folder: string;
before(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nacue-inputs-'));
});
after(() => fs.rmSync(folder, { recursive: true }));

/** Writes a file below the test's folder and returns its path. */
function write(name: string, bytes: Uint8Array | string): string {
  const file = path.join(folder, name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, bytes);
  return file;
}

/** All samples of one pass, put together. */
async function readAll(samples: Samples, batchSize: number, from = 0) {
  const values: number[] = [];
  const batches: Omit<SampleBatch, 'data'>[] = [];
  for await (const { data, ...batch } of samples.batches({ batchSize, from })) {
    values.push(...data);
    batches.push(batch);
  }
  const indices = batches.flatMap((batch) => batch.indices);
  return { values, batches, indices };
}

async function read(paths: string | string[], options: SampleOptions = {}, batchSize = 2) {
  const samples = await openSamples([paths].flat(), options);
  try {
    return { ...(await readAll(samples, batchSize)), shape: samples.sampleShape, count: samples.count };
  } finally {
    await samples.close();
  }
}

const openFiles = () => fs.readdirSync('/proc/self/fd').length;
const zipFilesClosed = () => new Promise((resolve) => setTimeout(resolve, 100)); // soon after their streams

const badData = (message: RegExp): Expected => ({ code: 'ERR_NACUE_DATA', message });

describe('openSamples, arrays as NumPy and safetensors write them', () => {
  const files: [string, SampleOptions?][] = [
    ['float32.npy'],
    ['float64.npy'],
    ['float16.npy'],
    ['uint8.npy'],
    ['version2.npy'],
    ['version3.npy'],
    ['one.npz'],
    ['stored.npz', { array: 'images' }],
    ['deflated.npz', { array: 'images' }],
    ['one.safetensors'],
    ...['float32', 'float64', 'float16', 'bfloat16', 'uint8'].map((name): [string, SampleOptions] => [
      'types.safetensors',
      { array: name },
    ]),
  ];
  for (const [file, options] of files) {
    it(`reads ${[file, options?.array].filter(Boolean).join(', ')}`, async () => {
      const { values, shape, count, indices, batches } = await read(array(file), options);
      assert.deepEqual(values, [...expected]);
      assert.deepEqual([shape, count, indices], [[2, 3], 5, [0, 1, 2, 3, 4]]);
      assert.deepEqual(
        batches.map((batch) => [batch.shape, batch.next]),
        [
          [[2, 2, 3], 2],
          [[2, 2, 3], 4],
          [[1, 2, 3], 5],
        ],
      );
    });
  }

  it('converts all 65,536 values of float16 and bfloat16 as NumPy does', async () => {
    const sums = JSON.parse(fs.readFileSync(array('expected.json'), 'utf8')) as Record<string, string>;
    const bits = Buffer.from(Uint16Array.from({ length: 2 ** 16 }, (_, i) => i).buffer);
    const half = write('halves.npy', npyBytes([2 ** 16, 1], bits, '<f2'));
    const header = { brains: { dtype: 'BF16', shape: [2 ** 16, 1], data_offsets: [0, bits.length] } };
    const brain = write('brains.safetensors', safetensorsBytes(header, bits));
    for (const [name, file] of Object.entries({ float16: half, bfloat16: brain })) {
      const { values } = await read(file, {}, 2 ** 16);
      const wide = Float32Array.from(values, (value) => (Number.isNaN(value) ? 0 : value));
      assert.equal(createHash('sha256').update(wide).digest('hex'), sums[name], name);
    }
  });

  it('reads raw float32 with a shape, whatever its name', async () => {
    for (const name of ['samples.bin', 'samples.f32', 'samples.raw', 'samples.dat', 'samples']) {
      const { values, count } = await read(write(name, new Uint8Array(expected.buffer)), { shape: [2, 3] });
      assert.deepEqual([values, count], [[...expected], 5], name);
    }
  });

  it('knows .npy and .npz by their bytes where the name does not tell', async () => {
    assert.equal((await read(write('array', fs.readFileSync(array('float32.npy'))))).count, 5);
    assert.equal((await read(write('archive', fs.readFileSync(array('one.npz'))))).count, 5);
  });

  it('reads an .npz whose sizes stand in zip64 fields', async () => {
    const file = write('zip64.npz', zip64Bytes('arr_0.npy', fs.readFileSync(array('float32.npy'))));
    assert.deepEqual((await read(file)).values, [...expected]);
  });

  it('takes an array of just the shape asked for as one sample, and names its file', async () => {
    const files = [0, 1].map((first) => write(`single/${first}.npy`, npyBytes([2, 3], numberedRows(2, 3, first))));
    const { batches, count, values } = await read(files, { shape: [2, 3] });
    assert.deepEqual([count, batches[0]?.names, values[6]], [2, files, 1]);
  });

  it('gives flat samples the shape asked for', async () => {
    const file = write('flat.npy', npyBytes([5, 6], expected));
    assert.deepEqual((await read(file, { shape: [1, 2, 3] })).batches[0]?.shape, [2, 1, 2, 3]);
  });
});

describe('openSamples, paths', () => {
  before(() => {
    for (const [i, name] of ['class-b/2', 'class-a/10', 'class-a/9', 'class-c/1'].entries())
      write(`classes/${name}.npy`, npyBytes([3, 2], numberedRows(3, 2, 10 * i)));
    write('classes/notes.txt', 'no array');
    write('classes/.hidden/x.npy', 'no array');
  });

  it('reads files one after another, with one count through all', async () => {
    const [a, b] = [5, 4].map((count, i) =>
      write(`part-${i}.npy`, npyBytes([count, 1], numberedRows(count, 1, 10 * i))),
    );
    const { values, indices, batches } = await read([a as string, b as string], {}, 4);
    assert.deepEqual(values, [0, 1, 2, 3, 4, 10, 11, 12, 13]);
    assert.deepEqual(indices, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert.deepEqual(
      batches.map(({ shape }) => shape[0]),
      [4, 4, 1],
    );
  });

  it('passes over files without samples', async () => {
    const empty = write('nothing.npy', npyBytes([0, 1], new Float32Array(0)));
    const some = write('something.npy', npyBytes([2, 1], numberedRows(2, 1)));
    assert.deepEqual((await read([empty, some, empty, some, empty], {}, 3)).values, [0, 1, 0, 1]);
  });

  it('reads a folder in the order of code points, the first level being the class', async () => {
    const { values, batches } = await read(path.join(folder, 'classes'), {}, 12);
    assert.deepEqual(
      values.filter((_, i) => i % 6 === 0),
      [10, 20, 0, 30],
    );
    assert.deepEqual(
      batches[0]?.labels,
      ['a', 'a', 'b', 'c'].flatMap((name) => new Array(3).fill(`class-${name}`)),
    );
  });

  it('expands globs in the order of code points', async () => {
    const { values } = await read(path.join(folder, 'classes', 'class-{a,c}', '*.npy'), {}, 12);
    assert.deepEqual(
      values.filter((_, i) => i % 6 === 0),
      [10, 20, 30],
    );
  });

  it('takes globs of folders', async () => {
    assert.equal((await read(path.join(folder, 'cla*'))).count, 12);
  });

  it('takes what exists under its name for no glob', async () => {
    const file = write('odd[1]*.npy', npyBytes([1, 1], numberedRows(1, 1)));
    write('odd1.npy', npyBytes([2, 1], numberedRows(2, 1)));
    assert.equal((await read(file)).count, 1);
  });

  it('reads the files that a list names, in its order', async () => {
    const files = ['class-c/1', 'class-b/2'].map((name) => path.join(folder, 'classes', `${name}.npy`));
    const list = write('list.txt', `${files.join('\n')}\n\n`);
    assert.deepEqual(
      (await read(`@${list}`, {}, 6)).values.filter((_, i) => i % 6 === 0),
      [30, 0],
    );
  });

  it('follows links to files', async () => {
    fs.mkdirSync(path.join(folder, 'links'));
    fs.symlinkSync(array('float32.npy'), path.join(folder, 'links', 'linked.npy'));
    assert.equal((await read(path.join(folder, 'links'))).count, 5);
  });
});

describe('openSamples, the order of samples', () => {
  let file: string;
  let classes: string;
  before(() => {
    file = write('numbers.npy', npyBytes([1000, 2], numberedRows(1000, 2)));
    for (const name of ['few', 'many'])
      write(
        `unbalanced/${name}/rows.npy`,
        npyBytes([name === 'few' ? 2 : 8, 1], numberedRows(8, 1).slice(0, name === 'few' ? 2 : 8)),
      );
    classes = path.join(folder, 'unbalanced');
  });

  it('shuffles by xoshiro128**, whose first numbers are those of its authors', () => {
    const numbers = new RandomNumbers([1, 2, 3, 4]);
    assert.deepEqual(
      Array.from({ length: 10 }, () => numbers.next()),
      [11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804],
    );
  });

  it('draws numbers below a limit with equal chances', () => {
    const numbers = RandomNumbers.fromSeed(7);
    const seen = new Array(5).fill(0);
    for (let i = 0; i < 50_000; i += 1) seen[numbers.below(5)] += 1;
    for (const times of seen) assert.ok(Math.abs(times - 10_000) < 400, `${seen}`); // 4.5 standard deviations
  });

  it('gives a permutation that depends on the seed alone; each row goes with its index', async () => {
    const [a, b, other] = await Promise.all([1, 1, 2].map((seed) => read(file, { shuffle: true, seed }, 64)));
    assert.deepEqual(a?.indices, b?.indices);
    assert.notDeepEqual(a?.indices, other?.indices);
    assert.deepEqual(
      a?.indices.toSorted((x, y) => x - y),
      [...new Array(1000).keys()],
    );
    assert.deepEqual(
      a?.values,
      a?.indices.flatMap((index) => [Math.fround(index), Math.fround(index + 0.01)]),
    );
  });

  it('keeps the permutation of a seed from release to release', async () => {
    const small = write('ten.npy', npyBytes([10, 1], numberedRows(10, 1)));
    // From a program in Python, written after docs/inputs.md.
    assert.deepEqual((await read(small, { shuffle: true })).indices, [3, 6, 1, 5, 0, 4, 2, 9, 7, 8]);
    const last = await read(small, { shuffle: true, seed: 2 ** 32 - 1 });
    assert.deepEqual(last.indices, [5, 4, 0, 7, 3, 6, 9, 1, 2, 8]);
  });

  it('limits after it shuffled', async () => {
    const whole = await read(file, { shuffle: true, seed: 5 });
    const limited = await read(file, { shuffle: true, seed: 5, limit: 37 });
    assert.deepEqual(limited.indices, whole.indices.slice(0, 37));
    assert.equal(limited.count, 37);
    assert.deepEqual((await read(file, { limit: 3 })).indices, [0, 1, 2]);
    assert.equal((await read(file, { limit: 2000 })).count, 1000);
  });

  it('balances classes: at most so many of each', async () => {
    assert.deepEqual((await read(classes, { balanced: 3 })).indices, [0, 1, 2, 3, 4]);
    assert.deepEqual((await read(classes, { balanced: 3, limit: 4 })).indices, [0, 1, 2, 3]);
    const { indices, batches } = await read(classes, { balanced: 2, shuffle: true, seed: 3 }, 10);
    assert.deepEqual(batches[0]?.labels?.toSorted(), ['few', 'few', 'many', 'many']);
    assert.notDeepEqual(
      indices,
      indices.toSorted((a, b) => a - b),
    );
  });

  it('goes on from any sample as the whole pass does', async () => {
    const files = [3, 4, 5].map((count, i) =>
      write(`resume/${i}.npy`, npyBytes([count, 1], numberedRows(count, 1, 10 * i))),
    );
    for (const options of [{}, { shuffle: true }, { limit: 9 }, { shuffle: true, limit: 7 }]) {
      const samples = await openSamples(files, options);
      const whole = await readAll(samples, 5);
      for (let from = 0; from <= (samples.count as number); from += 1) {
        const rest = await readAll(samples, 5, from);
        assert.deepEqual([rest.values, rest.indices], [whole.values.slice(from), whole.indices.slice(from)]);
      }
      await samples.close();
    }
  });
});

describe('the batches of samples', () => {
  it('fit and score as the same rows in memory do', async () => {
    const rows = fitRows(0, 20);
    const file = write('fit.npy', npyBytes(rows.shape, rows.data));
    const samples = await openSamples([file]);
    await using detector = await NACUE.create(fixture('small.pt'), goldenOptions());
    await detector.fit(samples.batches({ batchSize: 7 }));
    assert.deepEqual([...detector.counts(golden.layers[0] as string).data].map(Number), golden.counts[0]);
    const inMemory = await detector.predict(rows);
    const fromFile: number[] = [];
    for await (const batch of samples.batches({ batchSize: 7 })) fromFile.push(...(await detector.predict(batch)));
    assert.deepEqual(fromFile, [...inMemory]);
    await detector.calibrate(samples.batches({ batchSize: 6 }), { tpr: 0.9 });
    await samples.close();
  });

  it('stay as they are while the next one is in use, too', async () => {
    const samples = await openSamples([write('ahead.npy', npyBytes([100, 8], numberedRows(100, 8)))]);
    let last: SampleBatch | undefined;
    for await (const batch of samples.batches({ batchSize: 3 })) {
      await new Promise((resolve) => setTimeout(resolve, 2)); // what is read ahead has arrived
      for (const { data, indices } of [last, batch].filter((one) => one !== undefined))
        assert.deepEqual(
          [...data].filter((_, i) => i % 8 === 0),
          indices,
        );
      last = batch;
    }
    await samples.close();
  });

  it('of several passes at a time do not disturb each other', async () => {
    const samples = await openSamples([write('twice.npy', npyBytes([50, 2], numberedRows(50, 2)))], { shuffle: true });
    const [a, b, c] = await Promise.all([3, 7, 50].map((batchSize) => readAll(samples, batchSize)));
    assert.deepEqual([a?.values, b?.values], [c?.values, c?.values]);
    await samples.close();
  });

  it('close their files when a pass ends, is left, or is aborted', async () => {
    const samples = await openSamples([array('float32.npy'), array('deflated.npz')], { array: 'images' });
    await zipFilesClosed();
    const before = openFiles();
    await readAll(samples, 2);
    for await (const _ of samples.batches({ batchSize: 1 })) break;
    const abort = new AbortController();
    await assert.rejects(
      async () => {
        for await (const { next } of samples.batches({ batchSize: 1, signal: abort.signal }))
          if (next === 7) abort.abort(new Error('enough'));
      },
      { message: 'enough' },
    );
    await zipFilesClosed();
    assert.equal(openFiles(), before);
    await samples.close();
  });

  it('keep few of many files open', async () => {
    const one = npyBytes([1, 1], numberedRows(1, 1));
    for (let i = 0; i < 300; i += 1) write(`many/${i}.npy`, one);
    const samples = await openSamples([path.join(folder, 'many')], { shuffle: true });
    const before = openFiles();
    let most = 0;
    for await (const _ of samples.batches({ batchSize: 10 })) most = Math.max(most, openFiles() - before);
    assert.ok(most <= 100, `${most} open`);
    assert.equal(openFiles(), before);
  });

  it('end with ERR_NACUE_CLOSED when the samples are closed', async () => {
    const samples = await openSamples([array('float32.npy')]);
    const batches = samples.batches({ batchSize: 1 });
    await batches.next();
    await samples.close();
    const closed = { code: 'ERR_NACUE_CLOSED', message: /^the samples were closed$/ } as const;
    await rejectsWith(batches.next(), closed);
    await rejectsWith(samples.batches({ batchSize: 1 }).next(), closed);
    await samples.close();
  });

  it('leave no file open when the samples are closed in the middle of a pass', async () => {
    await zipFilesClosed();
    const before = openFiles();
    const samples = await openSamples([array('float32.npy'), array('deflated.npz')], { array: 'images' });
    for (const batchSize of [1, 6]) await samples.batches({ batchSize }).next(); // both are never asked again
    await samples.close();
    await zipFilesClosed();
    assert.equal(openFiles(), before);
  });

  it('report a file that changed since it was opened', async () => {
    const file = write('shrinking.npy', npyBytes([100, 2], numberedRows(100, 2)));
    const samples = await openSamples([file]);
    fs.truncateSync(file, 400);
    await rejectsWith(readAll(samples, 10), badData(/^'.*shrinking\.npy' ends after 34 of 100 samples$/));
    fs.rmSync(file);
    await rejectsWith(readAll(samples, 10), badData(/^'.*shrinking\.npy' does not exist$/));
  });
});

describe('openSamples of stdin', () => {
  /** Prints what a pass over stdin gives, or the error's code and message. */
  const script = (options: SampleOptions, batchSize: number, extra = '') => `
    const { openSamples } = require('nacue');
    (async () => {
      const samples = await openSamples(['-'], ${JSON.stringify(options)});
      for await (const { data, indices } of samples.batches({ batchSize: ${batchSize} })) console.log(indices.join() + ':' + [...data].join());
      ${extra}
      await samples.close();
      console.log('count', samples.count);
    })().catch((error) => console.log(error.code, error.message));`;

  function start(options: SampleOptions, batchSize: number, extra?: string) {
    return spawn(process.execPath, ['-e', script(options, batchSize, extra)], { cwd: root, stdio: 'pipe' });
  }

  async function run(input: Uint8Array, options: SampleOptions = {}, extra?: string): Promise<string[]> {
    const child = start(options, 2, extra);
    child.stdin.on('error', () => {}); // the child may end before it read all
    child.stdin.end(input);
    const { stdout, stderr } = await ended(child);
    assert.equal(stderr, '');
    return stdout.trimEnd().split('\n');
  }

  const rows = npyBytes([3, 2], Float32Array.from([1, 2, 3, 4, 5, 6]));
  const raw = new Uint8Array(Float32Array.from([1, 2, 3, 4, 5, 6]).buffer);

  it('reads .npy', async () => assert.deepEqual(await run(rows), ['0,1:1,2,3,4', '2:5,6', 'count 3']));
  it('reads .npy with a shape', async () => assert.deepEqual((await run(rows, { shape: [2] })).at(-1), 'count 3'));
  it('reads raw float32, whose number only the end tells', async () =>
    assert.deepEqual(await run(raw, { shape: [2] }), ['0,1:1,2,3,4', '2:5,6', 'count undefined']));
  it('stops at a limit', async () =>
    assert.deepEqual(await run(raw, { shape: [2], limit: 1 }), ['0:1,2', 'count undefined']));

  it('gives a batch as soon as it is there', async () => {
    const child = start({ shape: [2] }, 2);
    child.stdin.write(raw.subarray(0, 16));
    const [first] = await new Promise<Buffer[]>((resolve) => child.stdout.once('data', (text) => resolve([text])));
    assert.equal(String(first), '0,1:1,2,3,4\n');
    child.stdin.end();
    assert.equal((await ended(child)).stdout, 'count undefined\n');
  });

  const failures: [string, Uint8Array, SampleOptions, RegExp][] = [
    ['an empty one', new Uint8Array(0), {}, /^ERR_NACUE_DATA 'stdin' is no \.npy file: it is empty$/],
    ['a truncated one', rows.subarray(0, -1), {}, /^ERR_NACUE_DATA 'stdin' ends after 2 of 3 samples$/],
    ['one that goes on', Buffer.concat([rows, raw]), {}, /^ERR_NACUE_DATA 'stdin' goes on after its last sample$/],
    ['raw bytes that end within a sample', raw.subarray(0, -4), { shape: [2] }, /ends within a sample, after 2 whole/],
    ['raw bytes without a shape', raw, {}, /^ERR_NACUE_DATA 'stdin' is no \.npy file/],
    ['a shuffle', rows, { shuffle: true }, /^ERR_NACUE_DATA 'stdin' can only be read from its start .*'shuffle'/],
    ['classes', rows, { balanced: 1 }, /^ERR_NACUE_DATA sample 0 is in no class folder/],
    ['classes of raw bytes', raw, { balanced: 1, shape: [2] }, /^ERR_NACUE_DATA sample 0 is in no class folder/],
  ];
  for (const [name, input, options, line] of failures)
    it(`refuses ${name}`, async () => assert.match((await run(input, options)).at(-1) ?? '', line));

  it('can be read only once', async () => {
    const again = 'for await (const _ of samples.batches({ batchSize: 2 }));';
    assert.match((await run(rows, {}, again)).at(-1) ?? '', /^ERR_NACUE_DATA 'stdin' can be read only once/);
  });

  it('reads named pipes, too', async () => {
    const pipe = path.join(folder, 'pipe');
    spawnSync('mkfifo', [pipe]);
    const reading = read(pipe);
    await fs.promises.writeFile(pipe, rows);
    assert.deepEqual((await reading).values, [1, 2, 3, 4, 5, 6]);
  });
});

describe('openSamples, large files', () => {
  it('reads beyond 4 GiB', async () => {
    const file = path.join(folder, 'large.npy');
    writeSparseNpy(file, [6000, 200_000], 7); // 4.8 GB
    const samples = await openSamples([file]);
    const { value: batch } = (await samples.batches({ batchSize: 4, from: 5998 }).next()) as { value: SampleBatch };
    assert.deepEqual(batch?.indices, [5998, 5999]);
    assert.deepEqual([batch?.data[0], batch?.data[199_999], batch?.data[200_000], batch?.data.at(-1)], [0, 0, 7, 7]);
    await samples.close();
    fs.rmSync(file);
  });

  it('holds a few batches of 3 GB, not more', async () => {
    const file = path.join(folder, 'flat-memory.npy');
    writeSparseNpy(file, [5000, 3, 224, 224], 1);
    const script = `
      const { openSamples } = require('nacue');
      (async () => {
        const samples = await openSamples([${JSON.stringify(file)}]);
        const before = process.memoryUsage().rss;
        let read = 0;
        let most = 0; // not resourceUsage().maxRSS, which has what the parent had when it forked
        for await (const { shape } of samples.batches({ batchSize: 16 })) {
          read += shape[0];
          most = Math.max(most, process.memoryUsage().rss);
        }
        console.log(read, (most - before) / 1e6);
      })();`;
    const { stdout, stderr } = await ended(spawn(process.execPath, ['-e', script], { cwd: root, stdio: 'pipe' }));
    fs.rmSync(file);
    const [read, megabytes] = stdout.split(' ').map(Number) as [number, number];
    assert.equal(read, 5000, stderr);
    assert.ok(megabytes < 60, `${megabytes} MB for three batches of 9.6 MB`);
  });
});

describe('openSamples, files that are refused', () => {
  const cases: [string, () => string | string[], RegExp, SampleOptions?][] = [
    ['Fortran order', () => array('fortran.npy'), /is in Fortran order; save it with numpy\.ascontiguousarray/],
    ['big-endian numbers', () => array('big_endian.npy'), /is big-endian \('>f4'\); save it with array\.astype/],
    ['int64', () => array('int64.npy'), /elements of type '<i8'; float32, float64, float16 and uint8 are read/],
    ['records', () => array('records.npy'), /holds records, no numbers/],
    ['Python objects', () => array('objects.npy'), /holds pickled Python objects, which nacue never reads/],
    ['a pickle', () => array('pickle.npy'), /is no \.npy file: it looks like a Python pickle, which nacue never reads/],
    ['a single number', () => array('scalar.npy'), /holds one number, no array/],
    ['an .npz called .npy', () => write('zip.npy', fs.readFileSync(array('one.npz'))), /it looks like an \.npz$/],
    ['an empty .npy', () => write('empty.npy', ''), /is no \.npy file: it is empty$/],
    ['text', () => write('text.npy', 'hello there'), /is no \.npy file: it does not begin with \\x93NUMPY$/],
    [
      'a .npy of 7 bytes',
      () => write('seven.npy', fs.readFileSync(array('float32.npy')).subarray(0, 7)),
      /ends in its header$/,
    ],
    [
      'half a header',
      () => write('half.npy', fs.readFileSync(array('float32.npy')).subarray(0, 60)),
      /ends in its header$/,
    ],
    ['version 4', () => write('version.npy', '\x93NUMPY\x04\x00aaaa'.replace('\x93', '\x93')), /is no \.npy|version/],
    [
      'a truncated .npy',
      () => write('short.npy', fs.readFileSync(array('float32.npy')).subarray(0, -1)),
      /is truncated: \(5, 2, 3\) in float32 takes 120 bytes, the file has 119$/,
    ],
    [
      'bytes after the array',
      () => write('long.npy', Buffer.concat([fs.readFileSync(array('float32.npy')), Buffer.alloc(3)])),
      /has 3 bytes too many/,
    ],
    [
      'a header that is code',
      () => write('code.npy', npyWithHeader("__import__('os').system('true')")),
      /its header is no dictionary/,
    ],
    [
      'a negative size',
      () => write('negative.npy', npyWithHeader("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 2), }")),
      /its header is no dictionary/,
    ],
    [
      'a shape that is none',
      () => write('shapeless.npy', npyWithHeader("{'descr': '<f4', 'fortran_order': False, 'shape': ('a',), }")),
      /its shape is no tuple of numbers/,
    ],
    [
      'an order that is none',
      () => write('orderless.npy', npyWithHeader("{'descr': '<f4', 'fortran_order': 0, 'shape': (1,), }")),
      /fortran_order is neither/,
    ],
    [
      'a missing key',
      () => write('keyless.npy', npyWithHeader("{'descr': '<f4', 'shape': (1,), }")),
      /its header is no dictionary/,
    ],
    [
      'an impossible shape',
      () => write('huge.npy', npyBytes([2 ** 40, 2 ** 40], new Uint8Array(8))),
      /claims an impossible shape/,
    ],
    [
      'samples without elements',
      () => write('hollow.npy', npyBytes([5, 0], new Uint8Array(0))),
      /has samples without elements: its shape is \(5, 0\)/,
    ],
    ['no samples', () => write('none.npy', npyBytes([0, 2], new Uint8Array(0))), /has no samples$/],
    [
      'samples of another shape than asked for',
      () => array('float32.npy'),
      /has samples of shape \(2, 3\), expected \(3, 2\)/,
      { shape: [3, 2] },
    ],
    [
      'files of several shapes',
      () => [array('float32.npy'), write('other.npy', npyBytes([1, 4], numberedRows(1, 4)))],
      /other\.npy' has samples of shape \(4,\), '.*float32\.npy' of \(2, 3\)/,
    ],

    ['several arrays', () => array('stored.npz'), /holds 2 arrays; choose one by name: 'images', 'labels'$/],
    ['an unknown array', () => array('stored.npz'), /has no array 'x'; it has 'images', 'labels'$/, { array: 'x' }],
    [
      'int64 in .npz',
      () => array('stored.npz'),
      /stored\.npz: labels' has elements of type '<i8'/,
      { array: 'labels' },
    ],
    [
      'a truncated .npz',
      () => write('short.npz', fs.readFileSync(array('one.npz')).subarray(0, 200)),
      /short\.npz' is damaged or no \.npz: /,
    ],
    ['an .npz that is none', () => write('no.npz', 'hello'), /no\.npz' is damaged or no \.npz: /],
    [
      'shuffling what is deflated',
      () => array('deflated.npz'),
      /deflated\.npz: images' can only be read from its start/,
      { array: 'images', shuffle: true },
    ],

    ['several tensors', () => array('types.safetensors'), /holds 6 arrays; choose one by name: '.*'bfloat16'/],
    [
      'int64 in safetensors',
      () => array('types.safetensors'),
      /tensor 'int64' has type I64; F32, F64, F16, BF16 and U8 are/,
      { array: 'int64' },
    ],
    [
      'safetensors of 3 bytes',
      () => write('three.safetensors', 'abc'),
      /is truncated: a safetensors file has at least 8 bytes/,
    ],
    [
      'safetensors without its end',
      () => write('short.safetensors', fs.readFileSync(array('one.safetensors')).subarray(0, -1)),
      /is truncated: it should have 200 bytes and has 199/,
    ],
    [
      'safetensors that go on',
      () => write('long.safetensors', Buffer.concat([fs.readFileSync(array('one.safetensors')), Buffer.alloc(9)])),
      /has 9 bytes too many/,
    ],
    [
      'a long header',
      () => write('header.safetensors', safetensorsBytes('{}', Buffer.alloc(0)).fill(0xff, 0, 8)),
      /claims a header of 18446744073709551615 bytes/,
    ],
    [
      'a header that is no JSON',
      () => write('json.safetensors', safetensorsBytes('{', Buffer.alloc(0))),
      /its header is no JSON/,
    ],
    [
      'a header that is a list',
      () => write('listed.safetensors', safetensorsBytes([], Buffer.alloc(0))),
      /its header is no JSON object/,
    ],
    [
      'a tensor without a place',
      () => write('placeless.safetensors', safetensorsBytes({ a: { dtype: 'F32', shape: [1] } }, Buffer.alloc(4))),
      /its entry for 'a' has no dtype, shape and data_offsets/,
    ],
    [
      'tensors that overlap',
      () =>
        write(
          'overlap.safetensors',
          safetensorsBytes(
            {
              a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] },
              b: { dtype: 'F32', shape: [1], data_offsets: [4, 8] },
            },
            Buffer.alloc(8),
          ),
        ),
      /its tensors overlap or leave gaps/,
    ],
    [
      'a tensor larger than its place',
      () =>
        write(
          'larger.safetensors',
          safetensorsBytes({ a: { dtype: 'F32', shape: [3, 1], data_offsets: [0, 8] } }, Buffer.alloc(8)),
        ),
      /is truncated: \(3, 1\) in float32 takes 12 bytes, the file has 8/,
    ],
    [
      'no tensors',
      () => write('nothing.safetensors', safetensorsBytes({ __metadata__: {} }, Buffer.alloc(0))),
      /holds no arrays/,
    ],

    [
      'raw bytes without a shape',
      () => write('shapeless.bin', 'abcd'),
      /is taken as raw float32, which needs the shape/,
    ],
    [
      'raw bytes that are no whole number of samples',
      () => write('odd.bin', 'abcd'),
      /has 4 bytes, no multiple of a sample of shape \(2,\) in float32: 8/,
      { shape: [2] },
    ],
    ['raw bytes that are none', () => write('none.bin', ''), /has no samples$/, { shape: [2] }],

    ['a missing file', () => path.join(folder, 'missing.npy'), /missing\.npy' does not exist$/],
    [
      'a file below a file',
      () => path.join(array('float32.npy'), 'x'),
      /does not exist: a part of its path is no folder$/,
    ],
    ['a glob that matches nothing', () => path.join(folder, '*.nothing'), /^no file matches '.*\*\.nothing'$/],
    [
      'an empty folder',
      () => {
        fs.mkdirSync(path.join(folder, 'empty'), { recursive: true });
        return path.join(folder, 'empty');
      },
      /^the folder '.*empty' has no images and no arrays in it$/,
    ],
    ['a list that is missing', () => '@missing.txt', /^'missing\.txt' does not exist$/],
    ['an empty list', () => `@${write('empty.txt', '\n')}`, /^the list '.*empty\.txt' names no files$/],
    [
      'a list that names what is missing',
      () => `@${write('wrong.txt', 'nowhere.npy\n')}`,
      /^'nowhere\.npy' does not exist; the list '.*wrong\.txt' names it$/,
    ],
    [
      'arrays among images',
      () => [array('float32.npy'), write('picture.png', '')],
      /picture\.png' is or holds images, '.*float32\.npy' is an array/,
    ],
    [
      'classes that are none',
      () => array('float32.npy'),
      /^sample 0 is in no class folder, so the classes cannot be balanced/,
      { balanced: 2 },
    ],
    ['a name that would break the line', () => write('two\nlines.npy', ''), /two\\x0alines\.npy' is no \.npy file/],
  ];
  for (const [name, paths, message, options] of cases)
    it(`refuses ${name}`, async () => void (await rejectsWith(read(paths(), options), badData(message))));

  it('refuses what is damaged within a deflated array, at its end at the latest', async () => {
    const bytes = fs.readFileSync(array('deflated.npz'));
    const content = fs.readFileSync(array('float32.npy'));
    content[200] = (content[200] as number) ^ 1; // an element; its checksum is that of the whole one
    const at = 30 + bytes.readUInt16LE(26) + bytes.readUInt16LE(28);
    const packed = deflateRawSync(content, { level: 6 });
    const sameSize = bytes.readUInt32LE(bytes.indexOf('PK\x01\x02') + 20) === packed.length;
    if (sameSize) packed.copy(bytes, at);
    else bytes[at + 20] = (bytes[at + 20] as number) ^ 1;
    await rejectsWith(
      read(write('damaged.npz', bytes), { array: 'images' }),
      badData(/damaged\.npz: images' is damaged: /),
    );
  });

  it('refuses what may not be read', async function () {
    if (process.getuid?.() !== 0) return this.skip(); // another user is needed
    const file = write('secret.npy', fs.readFileSync(array('float32.npy')));
    fs.chmodSync(folder, 0o755);
    fs.chmodSync(file, 0);
    const script = `require(${JSON.stringify(root)}).openSamples([${JSON.stringify(file)}]).catch((error) => console.log(error.code, error.message))`;
    const { stdout } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8', uid: 65534, cwd: '/' });
    assert.match(stdout, /^ERR_NACUE_DATA '.*secret\.npy' cannot be read: permission denied\n$/);
  });

  it('reads or refuses files with any damage, and leaves none open', async () => {
    const numbers = RandomNumbers.fromSeed(11);
    const random = () => numbers.next() / 2 ** 32;
    const originals: [string, SampleOptions][] = [
      ['float32.npy', {}],
      ['float16.npy', {}],
      ['deflated.npz', { array: 'images' }],
      ['stored.npz', { array: 'images' }],
      ['types.safetensors', { array: 'float64' }],
    ];
    await zipFilesClosed();
    const before = openFiles();
    const outcomes = { read: 0, refused: 0 };
    for (let i = 0; i < 300; i += 1) {
      const [name, options] = pick(originals, random);
      const bytes = damage(fs.readFileSync(array(name)), 0, fs.statSync(array(name)).size, 4, random);
      const cut = random() < 0.2 ? bytes.subarray(0, below(bytes.length, random)) : bytes;
      await read(write(`mutant${path.extname(name)}`, cut), options).then(
        () => (outcomes.read += 1),
        (error) => {
          assert.ok(error instanceof NacueError && error.code === 'ERR_NACUE_DATA', `${i}, ${name}: ${error.stack}`);
          assert.ok(!error.message.includes('\n'));
          outcomes.refused += 1;
        },
      );
    }
    assert.ok(outcomes.read > 20 && outcomes.refused > 20, JSON.stringify(outcomes));
    await zipFilesClosed();
    assert.ok(openFiles() <= before, `${openFiles() - before} files are still open`);
  });
});

describe('openSamples, wrong arguments', () => {
  const type = (message: RegExp): Expected => ({ type: TypeError, code: 'ERR_NACUE_INVALID_ARG_TYPE', message });
  const range = (message: RegExp): Expected => ({ type: RangeError, code: 'ERR_NACUE_OUT_OF_RANGE', message });
  const cases: [string, unknown, unknown, Expected][] = [
    ['paths that are no array', 'a.npy', {}, type(/^paths must be an array of paths, received "a\.npy"$/)],
    ['no paths', [], {}, range(/^paths must be an array of at least one path/)],
    ['a path that is none', [1], {}, type(/^paths\[0\] must be a path, received 1/)],
    ['an empty path', [''], {}, range(/^paths\[0\]/)],
    ['stdin among others', ['-', 'a.npy'], {}, range(/^paths must be '-' \(stdin\) alone/)],
    ['options that are none', ['a.npy'], null, type(/^options must be an object/)],
    [
      'an unknown option',
      ['a.npy'],
      { shuffel: true },
      range(/^options must be an object with the keys array, balanced/),
    ],
    ['a shape that is none', ['a.npy'], { shape: '3,4' }, type(/^shape must be an array of numbers/)],
    ['an empty shape', ['a.npy'], { shape: [] }, range(/^shape must be a shape with at least one dimension/)],
    ['a 0 in the shape', ['a.npy'], { shape: [3, 0] }, range(/^shape\[1\] must be a whole number >= 1/)],
    ['an array that is no name', ['a.npz'], { array: 1 }, type(/^array must be a name/)],
    ['an empty name', ['a.npz'], { array: '' }, range(/^array must be a name/)],
    ['a transform that is none', ['a'], { transform: {} }, type(/^transform must be a name/)],
    ['onError of another name', ['a'], { onError: 'ignore' }, range(/^onError must be 'stop' or 'skip'/)],
    ['a limit of 0', ['a.npy'], { limit: 0 }, range(/^limit must be a whole number >= 1/)],
    ['balanced of the wrong type', ['a.npy'], { balanced: '3' }, type(/^balanced must be a whole number/)],
    ['shuffle of the wrong type', ['a.npy'], { shuffle: 1 }, type(/^shuffle must be true or false/)],
    ['a seed too large', ['a.npy'], { shuffle: true, seed: 2 ** 32 }, range(/^seed must be .* <= 4294967295/)],
    ['a seed without shuffle', ['a.npy'], { seed: 1 }, range(/^seed must be left out without shuffle/)],
    ['0 threads', ['a.npy'], { threads: 0 }, range(/^threads must be a whole number >= 1/)],
    [
      'a transform of arrays',
      [array('float32.npy')],
      { transform: 'imagenet' },
      range(/^transform must be left out for arrays/),
    ],
    [
      'an array in files that hold one',
      [array('float32.npy')],
      { array: 'x' },
      range(/^array must be left out: it chooses/),
    ],
  ];
  for (const [name, paths, options, failure] of cases)
    it(`rejects ${name}`, () => rejectsWith(openSamples(paths as string[], options as SampleOptions), failure));

  const passes: [string, unknown, Expected][] = [
    ['no options', undefined, type(/^options must be an object/)],
    ['no batch size', {}, type(/^batchSize must be a whole number >= 1, received undefined/)],
    ['a batch size of 0', { batchSize: 0 }, range(/^batchSize/)],
    ['a start that is negative', { batchSize: 1, from: -1 }, range(/^from must be a whole number >= 0/)],
    [
      'a start beyond the end',
      { batchSize: 1, from: 6 },
      range(/^from must be at most the number of samples, 5, received 6/),
    ],
    ['a signal that is none', { batchSize: 1, signal: {} }, type(/^signal must be an AbortSignal/)],
    ['onSkip that is no function', { batchSize: 1, onSkip: 1 }, type(/^onSkip must be a function/)],
    ['an unknown option', { batchSize: 1, size: 1 }, range(/^options must be an object with the keys batchSize, from/)],
  ];
  for (const [name, options, failure] of passes)
    it(`a pass rejects ${name}`, async () => {
      const samples = await openSamples([array('float32.npy')]);
      throwsWith(() => samples.batches(options as never), failure);
      await samples.close();
    });

  it('says when a batch does not fit into memory', async () => {
    const file = path.join(folder, 'vast.npy');
    writeSparseNpy(file, [30_000, 1_000_000], 0); // 120 GB
    const samples = await openSamples([file]);
    await rejectsWith(samples.batches({ batchSize: 30_000 }).next(), {
      code: 'ERR_NACUE_OUT_OF_MEMORY',
      message: /^a batch of 30000 samples of shape \(1000000\) does not fit into memory$/,
    });
    await samples.close();
    fs.rmSync(file);
  });
});
