import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { version } from 'nacue';
import { formatDiagnosis } from '../dist/cli/doctor-report.js';
import { cudaChecks, driverVersion } from '../dist/doctor/cuda.js';
import type { Check, Diagnosis, SelfTest } from '../dist/doctor/diagnosis.js';
import { machineChecks } from '../dist/doctor/machine.js';
import { systemChecks } from '../dist/doctor/system.js';
import { type Environment, findLibTorch } from '../dist/libtorch/search.js';
import { fakeLibTorch, nacue } from './cli.js';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nacue doctor '));
after(() => fs.rmSync(folder, { recursive: true }));

const nowhere = {
  PATH: path.join(folder, 'bin'),
  NACUE_CACHE_DIR: path.join(folder, 'no cache'),
  NACUE_LIBTORCH: '',
};

async function diagnosis(env: Environment = {}): Promise<Diagnosis & { code: number | null }> {
  const { code, stdout, stderr } = await nacue(['doctor', '--json'], { env });
  assert.equal(stderr, '');
  return { ...(JSON.parse(stdout) as Diagnosis), code };
}

function row({ checks }: { checks: Check[] }, topic: Check['topic'], name: string): Check {
  const check = checks.find((check) => check.topic === topic && check.name === name);
  assert.ok(check, `${topic}: ${name}`);
  return check;
}

describe('nacue doctor', () => {
  it('can score on this machine', async () => {
    const { code, stdout, stderr } = await nacue(['doctor']);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, new RegExp(`^nacue ${version} in `));
    assert.match(stdout, /ok {2}result +counts and scores are those of pytorch-ood/);
    assert.match(stdout, /\nnacue can score on this machine\.\n$/);
  });

  it('has a value in every row, and a fix where something is wrong', async () => {
    for (const env of [{}, nowhere]) {
      const { checks } = await diagnosis(env);
      for (const check of checks) {
        assert.deepEqual(Object.keys(check), ['topic', 'name', 'status', 'value', 'fix']);
        assert.ok(check.value && !check.value.includes('\n'), check.name);
        assert.equal(check.fix === null, check.status === 'ok', check.name);
      }
    }
  });

  it('says as JSON what it found and chose', async () => {
    const report = await diagnosis();
    const libtorch = findLibTorch();
    assert.deepEqual([report.code, report.canScore], [0, true]);
    assert.deepEqual(report.nacue, { version, dir: path.join(__dirname, '..') });
    assert.deepEqual([report.system.node, report.system.platform], [process.versions.node, process.platform]);
    assert.match(report.system.cLibraryVersion ?? '', /^2\.\d+$/);
    assert.deepEqual(report.libtorch.found, libtorch);
    assert.equal(report.binaries.chosen?.minor, libtorch.minor);
    assert.equal(report.cpu.cores, os.availableParallelism());
    assert.ok(report.memory.availableBytes > 0 && report.memory.availableBytes <= report.memory.totalBytes);
    const { passed, failure, openMs, createMs, scoreMs, ...opened } = report.selfTest;
    assert.deepEqual([passed, failure], [true, null]);
    for (const ms of [openMs, createMs, scoreMs]) assert.ok(ms !== null && ms > 0);
    assert.deepEqual([opened.libtorch, opened.binary], [libtorch, report.binaries.chosen]);
  });

  it('prints all of what is in the JSON', async () => {
    const report = await diagnosis(nowhere);
    const text = formatDiagnosis(report);
    for (const { name, value, fix } of report.checks) {
      for (const part of [name, value, fix ?? '']) assert.ok(text.includes(part), part);
    }
    assert.ok(text.endsWith(report.verdict));
  });

  it('ends with 3 and the fixes where there is no LibTorch', async () => {
    const report = await diagnosis(nowhere);
    assert.deepEqual([report.code, report.canScore, report.libtorch.found], [3, false, null]);
    assert.deepEqual(
      report.libtorch.candidates.map(({ rejected }) => rejected),
      ['not set', 'empty', 'not installed', 'not installed'],
    );
    assert.equal(row(report, 'LibTorch', 'chosen').status, 'problem');
    assert.equal(report.selfTest.failure?.code, 'ERR_NACUE_LIBTORCH_NOT_FOUND');
    assert.match(report.verdict, /^nacue cannot score on this machine: no LibTorch was found\.\n/);
    assert.match(report.verdict, /To fix it, one of:\n {2}1\. /);
  });

  it('goes on after the first LibTorch that fits and says why each is not used', async () => {
    const { minor } = findLibTorch();
    const cache = path.join(folder, 'cache');
    for (const name of ['2.9.0', `${minor}.0`, `${minor}.1`]) fakeLibTorch(path.join(cache, 'libtorch', name), name);
    const { libtorch } = await diagnosis({ ...nowhere, NACUE_CACHE_DIR: cache });
    const cached = libtorch.candidates.filter(({ place }) => place.startsWith('cache'));
    assert.deepEqual(
      cached.map((candidate) => candidate.libtorch?.version),
      [`${minor}.1`, `${minor}.0`, '2.9.0'],
    );
    assert.deepEqual([cached[0]?.rejected, cached[1]?.rejected], [null, 'not needed']);
    assert.match(cached[2]?.rejected ?? '', /too old/);
  });

  it('reports a LibTorch that cannot be opened', async () => {
    const dir = fakeLibTorch(path.join(folder, 'broken'), findLibTorch().version);
    const report = await diagnosis({ NACUE_LIBTORCH: dir });
    assert.deepEqual([report.code, report.selfTest.failure?.code], [3, 'ERR_NACUE_LOAD_FAILED']);
    assert.equal(row(report, 'LibTorch', 'chosen').status, 'ok');
    assert.match(row(report, 'self-test', 'result').value, /cannot open its native part.*ERR_NACUE_LOAD_FAILED/);
    assert.match(report.verdict, /libc10\.so: (invalid ELF header|file too short)/);
    const { stdout } = await nacue(['doctor', '--verbose'], { env: { NACUE_LIBTORCH: dir } });
    assert.ok(stdout.trimEnd().endsWith(report.selfTest.failure?.detail ?? 'no detail'));
  });

  it('reports a place for binaries that has none', async () => {
    const report = await diagnosis({ NACUE_PREBUILD: folder });
    assert.deepEqual([report.code, report.binaries.available], [3, []]);
    assert.equal(row(report, 'binaries', 'NACUE_PREBUILD').status, 'problem');
    assert.equal(row(report, 'LibTorch', 'chosen').status, 'ok');
  });

  it('survives a self-test that is killed', async () => {
    // Only the child of the self-test has a channel to its parent.
    const killer = path.join(folder, 'killer.cjs');
    fs.writeFileSync(
      killer,
      "if (process.send) { console.error('last words'); process.kill(process.pid, 'SIGKILL'); }",
    );
    const report = await diagnosis({ NODE_OPTIONS: `--require ${JSON.stringify(killer)}` });
    assert.equal(report.code, 3);
    assert.deepEqual(report.selfTest.failure, {
      code: null,
      message: 'the process of the self-test was killed (SIGKILL): is there too little memory?',
      detail: 'last words',
    });
  });

  it('does not wait for a self-test that ignores SIGTERM, nor for who holds its pipes', async () => {
    const deaf = path.join(folder, 'deaf.cjs');
    fs.writeFileSync(
      deaf,
      `if (process.send) {
        process.on('SIGTERM', () => {});
        require('node:child_process').spawn('sleep', ['20'], { stdio: ['ignore', 'ignore', 'inherit'] });
        process.kill(process.ppid, 'SIGINT');
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20_000);
      }`,
    );
    const started = performance.now();
    const { code } = await nacue(['doctor'], { env: { NODE_OPTIONS: `--require ${JSON.stringify(deaf)}` } });
    assert.equal(code, 130);
    assert.ok(performance.now() - started < 15_000);
  });

  it('shows the variables that matter without the passwords in them', async () => {
    const report = await diagnosis({
      HTTPS_PROXY: 'http://me:se/c@ret@proxy:8080',
      NACUE_LIBTORCH_MIRROR: 'https://token@mirror/simple',
      OMP_NUM_THREADS: '1',
      MY_SECRET: 'secret',
    });
    assert.equal(report.environment.HTTPS_PROXY, 'http://***@proxy:8080');
    assert.equal(report.environment.NACUE_LIBTORCH_MIRROR, 'https://***@mirror/simple');
    assert.equal(row(report, 'environment', 'OMP_NUM_THREADS').value, '1');
    assert.ok(!('MY_SECRET' in report.environment));
  });
});

describe('the checks of the doctor', () => {
  const statuses = (checks: Check[]) => checks.map(({ name, status }) => `${name}: ${status}`);
  const system = {
    node: '20.19.0',
    oldestNode: '20.19',
    platform: 'linux',
    arch: 'x64',
    cLibrary: 'glibc',
    cLibraryVersion: '2.28',
  } as const;

  it('accept the oldest system that nacue runs on', () => {
    assert.deepEqual(statuses(systemChecks(system)), ['Node.js: ok', 'platform: ok', 'C library: ok']);
  });

  const bad: [string, Partial<Parameters<typeof systemChecks>[0]>, string][] = [
    ['an older Node.js', { node: '20.9.5' }, 'Node.js: problem'],
    ['another system', { platform: 'win32', cLibrary: null }, 'platform: problem'],
    ['musl', { cLibrary: 'musl', cLibraryVersion: null }, 'C library: problem'],
    ['an older glibc', { cLibraryVersion: '2.17' }, 'C library: problem'],
  ];
  for (const [name, difference, expected] of bad) {
    it(`refuse ${name}`, () => {
      const found = statuses(systemChecks({ ...system, ...difference }));
      assert.deepEqual(
        found.filter((status) => !status.endsWith('ok')),
        [expected],
      );
    });
  }

  it('warn of a CPU without AVX2 and of little memory', () => {
    const cpu = { model: 'old', cores: 1, features: [], kernels: 'plain' } as const;
    const found = statuses(machineChecks(cpu, { totalBytes: 4e8, availableBytes: 3e8 }));
    assert.deepEqual(
      found.filter((status) => !status.endsWith('ok')),
      process.arch === 'x64' ? ['kernels: warning', 'memory: warning'] : ['memory: warning'],
    );
  });

  it('do not warn of memory that Node.js cannot tell', () => {
    const cpu = { model: 'new', cores: 1, features: [], kernels: 'AVX2' } as const;
    const found = statuses(machineChecks(cpu, { totalBytes: 4e9, availableBytes: 0 }));
    assert.deepEqual(
      found.filter((status) => !status.endsWith('ok')),
      [],
    );
  });

  const selfTest = (cudaProblem: string | null) =>
    ({ libtorch: { dir: '', version: '', minor: '', source: '' }, cudaProblem }) as SelfTest;

  it('accept a machine without an NVIDIA driver, and one whose devices can be used', () => {
    const none = { driver: null, devices: [], inLibtorch: false };
    assert.deepEqual(statuses(cudaChecks(none, selfTest('no NVIDIA device'))), ['driver: ok']);
    const usable = { driver: '580.1', devices: ['H100'], inLibtorch: true };
    assert.ok(cudaChecks(usable, selfTest(null)).every(({ status }) => status === 'ok'));
  });

  it('read the version of either kernel module of NVIDIA', () => {
    const texts = [
      'NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\nGCC version: 12.2.0',
      'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.124.06  Release Build\nGCC version: 12.2.0',
      'something else',
    ];
    assert.deepEqual(texts.map(driverVersion), ['535.183.01', '570.124.06', 'of unknown version']);
  });

  it('ask nvidia-smi for the devices', async () => {
    const bin = path.join(folder, 'smi');
    fs.mkdirSync(bin);
    const line = '570.124.06, NVIDIA H100 80GB HBM3, 81559 MiB, 9.0';
    fs.writeFileSync(path.join(bin, 'nvidia-smi'), `#!/bin/sh\necho "${line}"\n`, { mode: 0o755 });
    const { cuda } = await diagnosis({ PATH: `${bin}${path.delimiter}${process.env.PATH}` });
    assert.deepEqual(cuda.devices, ['NVIDIA H100 80GB HBM3, 81559 MiB, 9.0']);
    assert.match(cuda.driver ?? '', /^\d+\.\d+/);
  });

  it('warn of an NVIDIA device that cannot be used', () => {
    const checks = cudaChecks({ driver: '580.1', devices: ['H100'], inLibtorch: false }, selfTest('no CUDA part'));
    assert.deepEqual(checks.at(-1), {
      topic: 'CUDA',
      name: 'usable',
      status: 'warning',
      value: 'no CUDA part',
      fix: 'run `npx nacue libtorch install --cuda`, or leave it: the CPU is used',
    });
  });
});
