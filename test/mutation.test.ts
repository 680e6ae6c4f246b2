import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import readline from 'node:readline';
import { fixture } from './fixtures.js';

const mutants = 270;
const secondsPerMutant = 30;
/** Beyond what a good model takes. The sanitizers keep freed memory, so that under them it says nothing. */
const maxGrowth = process.env.ASAN_OPTIONS ? Number.POSITIVE_INFINITY : 300_000;

/** Runs mutation/child.ts over the mutants of a model and returns what it printed, and how it ended if not well. */
function runMutants(model: string, seed: number): Promise<{ lines: string[]; failure: string | null }> {
  const script = path.join(__dirname, 'mutation', 'child.ts');
  const child = spawn(process.execPath, ['--import', 'tsx', script, fixture(model), `${seed}`, '0', `${mutants}`], {
    cwd: path.dirname(__dirname),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  let errors = '';
  let hung = false;
  const watch = setTimeout(() => {
    hung = true;
    child.kill('SIGKILL');
  }, secondsPerMutant * 1000);
  child.stderr.on('data', (text) => (errors += text));
  readline.createInterface(child.stdout).on('line', (line) => {
    lines.push(line);
    watch.refresh();
  });
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearTimeout(watch);
      const failed = hung
        ? `no answer for ${secondsPerMutant} s`
        : signal || code
          ? `${signal ?? `exit code ${code}`}: ${errors}`
          : null;
      resolve({ lines, failure: failed && `${failed} at mutant ${lines.at(-1)}` });
    });
  });
}

describe('a damaged model file', function () {
  this.timeout(600_000);

  for (const [model, seed] of [
    ['small.pt', 1],
    ['small_traced.pt', 2],
  ] as const) {
    it(`of ${model} is refused with a code or works, ${mutants} times`, async () => {
      const { lines, failure } = await runMutants(model, seed);
      assert.equal(failure, null);
      assert.match(lines.shift() as string, /^baseline works/);
      assert.equal(lines.length, 2 * mutants);
      const outcomes = lines.filter((line) => line.startsWith('= '));
      const wrong = lines.filter((_, at) => lines[at + 1]?.startsWith('= ') && / wrong/.test(lines[at + 1] as string));
      assert.deepEqual(wrong, []);
      const growths = outcomes.map((line) => Number(line.split(' ')[1]));
      assert.ok(growths.reduce((sum, growth) => sum + growth, 0) < maxGrowth, `memory grew by ${growths} kB`);
      // Damage that no check should find: the archive written anew, other weights, padding.
      assert.ok(outcomes.some((line) => line.endsWith(' works')));
    });
  }
});
