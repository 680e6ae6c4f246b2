/** Every refusal of docs/state-format.md, by files made by hand, through restore and merge. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { NACUE } from 'nacue';
import {
  type Case,
  header,
  longHeader,
  type Make,
  metadata,
  noFit,
  notSafetensors,
  otherVersion,
} from './bad-states.js';
import { type Expected, rejectsWith, throwsWith } from './failures.js';
import { fixture, golden, scoreBatch } from './fixtures.js';
import { editMetadata, joinFile, splitFile } from './state-mutation/state-file.js';
import { expectNoWarnings, goldenState } from './states.js';

const small = fixture('small.pt');
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nacue-bad-state-'));
after(() => fs.rmSync(folder, { recursive: true }));

describe('a bad state', () => {
  expectNoWarnings();
  let state: Uint8Array;
  let detector: NACUE;
  before(async () => {
    state = await goldenState();
    detector = await NACUE.restore(small, state);
  });
  after(() => detector.close());
  afterEach('a good one is still taken, and detectors score as before', async () => {
    assert.deepEqual(NACUE.merge([state]), state);
    assert.deepEqual(Array.from(await detector.predict(scoreBatch())), golden.scores);
  });

  const groups: [string, Expected['code'], RegExp, Case[]][] = [
    [
      'that is no safetensors file',
      'ERR_NACUE_STATE_FORMAT',
      /^the state is damaged or no safetensors file: .*; copy it again$/,
      notSafetensors,
    ],
    ['of another format version', 'ERR_NACUE_STATE_VERSION', /^the state has the format version/, otherVersion],
    ['that is no fit', 'ERR_NACUE_STATE_INVALID', /^the state is no fit: /, noFit],
  ];
  for (const [kind, code, frame, cases] of groups) {
    describe(kind, () => {
      for (const [name, make, message] of cases) {
        it(`is refused: ${name.replace(/[^ -~]/g, '?')}`, async () => {
          const bytes = make(state);
          const { message: line } = await rejectsWith(NACUE.restore(small, bytes), { code, message });
          assert.match(line, frame);
          assert.ok(line.length < 300 && /^[ -~]*$/.test(line), line);
          assert.equal(throwsWith(() => NACUE.merge([bytes]), { code, message }).message, `state 1 of 1: ${line}`);
          const second = throwsWith(() => NACUE.merge([state, bytes, state]), { code, message });
          assert.equal(second.message, `state 2 of 3: ${line}`);
        });
      }
    });
  }

  it('with a sample too large to try is not tried: it needs a shape with every batch', async () => {
    for (const input_shape of ['[1,20000,20000]', '[9007199254740991,9007199254740991]', '[1,8,9007199254740991]']) {
      await using detector = await NACUE.restore(small, editMetadata(state, { input_shape }));
      await rejectsWith(detector.predict(new Float32Array(64)), {
        type: TypeError,
        code: 'ERR_NACUE_INVALID_ARG_TYPE',
        message: /options had no inputShape/,
      });
      assert.equal((await detector.predict(scoreBatch())).length, scoreBatch().shape[0]);
    }
  });
});

describe('an unusual state that is sound', () => {
  let state: Uint8Array;
  before(async () => {
    state = await goldenState();
  });
  const cases: [string, Make][] = [
    ['a header of exactly 1 MiB', (bytes) => longHeader(bytes, 2 ** 20)],
    ['a header of odd length', (bytes) => longHeader(bytes, 1501)],
    ['a header with line breaks', header(/,"counts/g, ',\n\t "counts')],
    ['keys with escapes', header('"alpha":', '"\\u0061lpha":')],
    ['its fields in another order', header('"dtype":"I64","shape":[4,12]', '"shape":[4,12],"dtype":"I64"')],
    ['its metadata at the end', (bytes) => metadataLast(bytes)],
    ['alpha with an exponent', metadata({ alpha: '[6e2, 6E+2, 600.0, 60000e-2]' })],
  ];
  for (const [name, make] of cases) {
    it(`is taken: ${name}`, async () => {
      const bytes = make(state);
      assert.notDeepEqual(Buffer.from(bytes), Buffer.from(state));
      assert.deepEqual(NACUE.merge([bytes]), state);
      await using restored = await NACUE.restore(small, bytes);
      assert.deepEqual(Array.from(await restored.predict(scoreBatch())), golden.scores);
      assert.deepEqual(await restored.toBuffer(), state);
    });
  }

  function metadataLast(bytes: Uint8Array): Buffer {
    const { header: text, data } = splitFile(bytes);
    const [first] = /"__metadata__":\{[^}]*\}/.exec(text) as RegExpExecArray;
    return joinFile(
      text
        .trimEnd()
        .replace(`${first},`, '')
        .replace(/\}$/, () => `,${first}}`),
      data,
    );
  }
});

describe('a state that cannot be read', () => {
  expectNoWarnings();
  const missing = path.join(folder, 'missing');
  const sparse = path.join(folder, 'sparse');
  const pipe = path.join(folder, 'pipe');
  before(() => {
    fs.writeFileSync(sparse, '');
    fs.truncateSync(sparse, 2.5 * 2 ** 30);
    execFileSync('mkfifo', [pipe]);
  });
  const cases: [string, string, RegExp][] = [
    ['does not exist', missing, /^cannot read the state '.*missing': ENOENT/],
    ['lies in what is no folder', path.join(small, 'x'), /ENOTDIR/],
    ['is a folder', folder, /it is no regular file$/],
    ['is a pipe without a writer', pipe, /it is no regular file$/],
    ['is a device without an end', '/dev/zero', /it is no regular file$/],
    ['is an empty device', '/dev/null', /it is no regular file$/],
    ['has more than 2 GiB', sparse, /it has more than 2 GiB$/],
  ];
  for (const [name, file, message] of cases) {
    it(`is refused when it ${name}`, async () => {
      const expected = { code: 'ERR_NACUE_STATE_NOT_FOUND', message } as const;
      const before = process.memoryUsage.rss();
      const error = await rejectsWith(NACUE.restore(small, file), expected);
      assert.ok(error.cause instanceof Error);
      throwsWith(() => NACUE.merge([file]), expected);
      assert.ok(process.memoryUsage.rss() - before < 100e6, 'it took memory');
    });
  }

  it('leaves no file open', async () => {
    const open = () => fs.readdirSync('/proc/self/fd').length;
    const before = open();
    for (let time = 0; time < 20; ++time) {
      await assert.rejects(NACUE.restore(small, pipe));
      assert.throws(() => NACUE.merge([pipe]));
      await assert.rejects(NACUE.restore(small, sparse));
    }
    assert.ok(open() <= before + 2, `${open()} files are open, there were ${before}`);
  });
});
