/** What yieldToModels() changes, read from the kernel's own view of the threads. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fixture } from './fixtures.js';

const [major, minor] = os.release().split('.').map(Number) as [number, number];
const hasSlices = os.platform() === 'linux' && (major > 6 || (major === 6 && minor >= 12));

/** Prints what the call returned, and the slice and priority of each thread once a detector has worked, the calling one first. */
const script = `
  const fs = require('node:fs');
  const { NACUE, yieldToModels } = require('nacue');
  const field = (thread, name) => {
    const line = fs.readFileSync('/proc/self/task/' + thread + '/sched', 'utf8').match(new RegExp('^' + name + ' *: *(\\\\d+)', 'm'));
    return Number(line[1]);
  };
  const main = async () => {
    const taken = yieldToModels();
    const detector = await NACUE.create(process.argv[1], { layers: ['avgpool'], numThreads: 2 });
    await detector.fit([{ data: new Float32Array(64 * 64).fill(1), shape: [64, 1, 8, 8] }]);
    const threads = fs.readdirSync('/proc/self/task').sort((a, b) => a - b);
    console.log(JSON.stringify({ taken, threads: threads.map((id) => ({ slice: field(id, 'se.slice'), prio: field(id, 'prio') })) }));
    await detector.close();
  };
  main();
`;

describe('yieldToModels', () => {
  it('says whether the system took it', () => {
    const output = execFileSync(process.execPath, ['-p', "require('nacue').yieldToModels()"], {
      cwd: path.join(__dirname, '..'),
      encoding: 'utf8',
    });
    assert.equal(output.trim(), String(hasSlices));
  });

  it('gives the calling thread a long slice, and no other; priorities stay', function () {
    if (!hasSlices || !existsSync('/proc/self/sched')) this.skip();
    const output = execFileSync(process.execPath, ['-e', script, fixture('small.pt')], {
      cwd: path.join(__dirname, '..'),
      encoding: 'utf8',
    });
    const { taken, threads } = JSON.parse(output) as { taken: boolean; threads: { slice: number; prio: number }[] };
    const [calling, ...others] = threads;
    assert.equal(taken, true);
    assert.equal(calling?.slice, 100_000_000);
    assert.ok(others.length > 2, `${others.length} threads`);
    for (const { slice, prio } of others) {
      assert.ok(slice < 100_000_000, `${slice} ns`);
      assert.equal(prio, calling?.prio);
    }
  });

  it('refuses other options', () => {
    const { yieldToModels } = require('nacue') as typeof import('nacue');
    assert.throws(() => yieldToModels({ threads: 1 } as never), { code: 'ERR_NACUE_OUT_OF_RANGE' });
  });
});
