/**
 * What a start costs: `node bench/startup.mjs [--check] [--runs N]`. Medians of fresh processes on a warm disk, taken in turns so that
 * other work on the machine falls on all of them alike. --check ends with 1 when a bound is missed.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { median } from './statistics.mjs';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
const model = path.join(root, 'test', 'fixtures', 'small.pt');
const options = { layers: ['conv1', 'fc'], inputShape: [1, 8, 8] };
const { bin } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));

/** Each prints its milliseconds, unless the whole process counts. */
const measurements = [
  {
    name: "require('nacue')",
    boundMs: 15,
    args: ['--eval', timed("require('nacue')")],
  },
  {
    name: "import('nacue')",
    args: ['--input-type=module', '--eval', timed("await import('nacue')")],
  },
  {
    name: 'NACUE.create(small.pt), the first',
    boundMs: 1500,
    args: [
      '--input-type=module',
      '--eval',
      `const { NACUE } = await import('nacue');
       ${timed(`await NACUE.create(${JSON.stringify(model)}, ${JSON.stringify(options)})`)}`,
    ],
  },
  {
    name: 'nacue --help, the whole process',
    boundMs: 100,
    args: [path.join(root, bin.nacue), '--help'],
    isWhole: true,
  },
  { name: 'node alone, the whole process', args: ['--eval', '0'], isWhole: true },
];

const { values } = parseArgs({
  options: { check: { type: 'boolean', default: false }, runs: { type: 'string', default: '20' } },
});
const times = new Map(measurements.map(({ name }) => [name, []]));
for (const measurement of measurements) millisecondsOf(measurement); // the disk is warm from here on
for (let run = 0; run < Number(values.runs); ++run) {
  for (const measurement of measurements) times.get(measurement.name).push(millisecondsOf(measurement));
}

console.log(`${os.cpus()[0].model.trim()}, Node ${process.version}, medians of ${values.runs} processes`);
const missed = measurements.filter(({ name, boundMs = Number.POSITIVE_INFINITY }) => {
  const medianMs = median(times.get(name));
  const bound = boundMs === Number.POSITIVE_INFINITY ? '' : `  < ${boundMs}`;
  console.log(
    `${name.padEnd(36)} ${medianMs.toFixed(1).padStart(8)} ms${bound}${medianMs < boundMs ? '' : '  MISSED'}`,
  );
  return medianMs >= boundMs;
});
if (values.check && missed.length > 0) process.exitCode = 1;

function timed(expression) {
  return `const began = performance.now(); ${expression}; console.log(performance.now() - began);`;
}

function millisecondsOf({ name, args, isWhole }) {
  const began = performance.now();
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  const whole = performance.now() - began;
  if (status !== 0) throw new Error(`${name} failed: ${stderr}`);
  return isWhole ? whole : Number(stdout);
}
