import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { mainFile } from './cli.js';

const run = promisify(execFile);
const root = path.join(__dirname, '..');

/** The lines of the README's section, as they stand there. */
function linesOfReadme(): string[] {
  const section = fs
    .readFileSync(path.join(root, 'README.md'), 'utf8')
    .split(/^## /m)
    .find((section) => section.startsWith('On the command line'));
  return (
    /```sh\n([\s\S]*?)```/
      .exec(section ?? '')?.[1]
      ?.trimEnd()
      .split('\n') ?? []
  );
}

describe("the README's walk on the command line", () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nacue readme '));
  const lines = linesOfReadme();
  const outputs = new Map<string, string>();
  before(() => fs.symlinkSync(path.join(root, 'examples'), path.join(folder, 'examples')));
  after(() => fs.rmSync(folder, { recursive: true }));

  it('goes from inspect to a report', () => {
    assert.deepEqual(
      lines.map((line) => /^npx nacue (\w+) /.exec(line)?.[1] ?? 'node'),
      ['node', 'inspect', 'fit', 'calibrate', 'score', 'eval'],
    );
  });

  for (const line of lines) {
    it(`runs \`${line}\``, async () => {
      const [program, ...args] = line.replace(/^npx nacue/, `node ${mainFile.replaceAll(' ', '\0')}`).split(' ');
      assert.equal(program, 'node');
      const words = args.map((word) => word.replaceAll('\0', ' '));
      const { stdout, stderr } = await run(process.execPath, words, { cwd: folder });
      outputs.set(line, stdout + stderr);
    });
  }

  it('gives what the README says', () => {
    const at = (name: string) => path.join(folder, 'digits', name);
    const records = fs.readFileSync(at('scores.ndjson'), 'utf8').trimEnd().split('\n');
    assert.equal(records.length, 480);
    const [shown] = /\{"index":0[^`]*\}/.exec(fs.readFileSync(path.join(root, 'README.md'), 'utf8')) ?? [];
    const [first, told] = [records[0], shown].map((record) => JSON.parse(record ?? 'null'));
    assert.ok(Math.abs(first.score - told.score) < 0.05, `${first.score}, in the README ${told.score}`); // bins move with the CPU
    assert.deepEqual({ ...first, score: 0 }, { ...told, score: 0 });
    const outlierCount = records.filter((record) => JSON.parse(record).isOutlier).length;
    assert.ok(outlierCount > 470, `${outlierCount} of 480 photographs are outliers`);
    assert.match(fs.readFileSync(at('report.html'), 'utf8'), /^<!doctype html>/i);
    const table = [...outputs].find(([line]) => line.includes(' eval '))?.[1] ?? '';
    for (const set of ['digits6-9', 'photographs', 'noise']) assert.ok(table.includes(set), set);
  });
});
