/** The walks on the command line in README.md and docs/images.md: every line runs as it stands there, and gives what is said. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { mainFile } from './cli.js';

const run = promisify(execFile);
const root = path.join(__dirname, '..');

interface ScoreRecord {
  index: number;
  score: number;
  name?: string;
  label?: string;
  isOutlier: boolean;
}

/** A section of a page, from its heading to the next one. */
function sectionOf(page: string, heading: string): string {
  const text = fs.readFileSync(path.join(root, page), 'utf8');
  const section = text.split(/^## /m).find((section) => section.startsWith(`${heading}\n`));
  assert.ok(section, `${page} has a section '${heading}'`);
  return section;
}

function commandLines(section: string): string[] {
  return /```sh\n([\s\S]*?)```/.exec(section)?.[1]?.trimEnd().split('\n') ?? [];
}

/** Runs the lines of a section one by one, in an empty folder beside a link to examples/, and keeps what they print. */
function walk(section: string) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nacue walk '));
  const outputs = new Map<string, string>();
  before(() => fs.symlinkSync(path.join(root, 'examples'), path.join(folder, 'examples')));
  after(() => fs.rmSync(folder, { recursive: true }));

  const lines = commandLines(section);
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
      const { stdout } = await run(process.execPath, words, { cwd: folder });
      outputs.set(/^npx nacue (\w+) /.exec(line)?.[1] ?? 'node', stdout);
    });
  }

  const read = (name: string) => fs.readFileSync(path.join(folder, name), 'utf8');
  const scores = (name: string) =>
    read(name)
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as ScoreRecord);
  return { read, scores, printed: (command: string) => outputs.get(command) ?? '' };
}

/** The record that the section shows; bins move a little with the CPU. */
function assertShown(section: string, [first]: ScoreRecord[]): void {
  const [shown] = /\{"index":0[^`]*\}/.exec(section) ?? [];
  const told = JSON.parse(shown ?? 'null') as ScoreRecord;
  assert.ok(first && Math.abs(first.score - told.score) < 0.05, `${first?.score}, on the page ${told.score}`);
  assert.deepEqual({ ...first, score: 0 }, { ...told, score: 0 });
}

describe("the README's walk on the command line", () => {
  const section = sectionOf('README.md', 'On the command line');
  const { read, scores, printed } = walk(section);

  it('gives what the README says', () => {
    const records = scores('digits/scores.ndjson');
    assert.equal(records.length, 480);
    assertShown(section, records);
    const outlierCount = records.filter(({ isOutlier }) => isOutlier).length;
    assert.ok(outlierCount > 470, `${outlierCount} of 480 photographs are outliers`);
    assert.match(read('digits/report.html'), /^<!doctype html>/i);
    for (const set of ['digits6-9', 'photographs', 'noise']) assert.ok(printed('eval').includes(set), set);
  });
});

describe('the walk through photographs of docs/images.md', () => {
  const section = sectionOf('docs/images.md', 'A walk on the command line');
  const { read, scores, printed } = walk(section);
  /** Per set: images, AUROC of NAC-UE and of max-softmax, images above the threshold. */
  const told = new Map(
    [...section.matchAll(/^\| ([a-z ]+) \| (\d+) \| ([\d.]*) ?\| ([\d.]*) ?\| (\d+) \|$/gm)].map(
      ([, set, ...cells]) => [set as string, cells.map(Number) as [number, number, number, number]],
    ),
  );

  it('gives the scores that the page says', () => {
    const records = scores('photographs/scores.ndjson');
    assertShown(section, records);
    const setOf = ({ name = '', label = '' }: ScoreRecord) => (name.includes('/test/') ? 'test photographs' : label);
    assert.deepEqual([...new Set(records.map(setOf))].sort(), [...told.keys()].sort());
    for (const [set, [images, , , outliers]] of told) {
      const inSet = records.filter((record) => setOf(record) === set);
      assert.equal(inSet.length, images, set);
      const found = inSet.filter(({ isOutlier }) => isOutlier).length;
      assert.ok(Math.abs(found - outliers) <= 2, `${found} of ${set}, on the page ${outliers}`);
    }
  });

  it('gives the table that the page says', () => {
    const table = printed('eval');
    const aurocOf = (score: string, from: number) =>
      Number(table.slice(from).match(new RegExp(`${score} +([\\d.]+)`))?.[1]);
    for (const [set, [, nacue, maxSoftmax]] of told) {
      if (set === 'test photographs') continue;
      const from = table.indexOf(` ${set} `);
      assert.ok(from >= 0, set);
      const found = [aurocOf('NAC-UE', from), aurocOf('max-softmax', from)];
      const isNear = [nacue, maxSoftmax].every((value, i) => Math.abs(value - (found[i] as number)) < 3);
      assert.ok(isNear, `${found} of ${set}, on the page ${[nacue, maxSoftmax]}`);
    }
    assert.match(read('photographs/report.html'), /<img[^>]+data:image\//);
  });
});
