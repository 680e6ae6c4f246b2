/** Downloads pinned wheels with the user's pip: its settings, proxies and mirrors hold. */
import fs from 'node:fs';
import path from 'node:path';
import type { NacueError } from '../errors.js';
import { maskAddresses } from '../masked-addresses.js';
import { sizeOf } from './cache.js';
import { requireSpace } from './disk.js';
import { damaged, fetchFailure, otherWays } from './fetch-failure.js';
import type { Partial } from './partial.js';
import { type PipFinding, type PipResult, pipReasons, pythonWithPip, runPip } from './pip.js';
import type { ReportProgress } from './progress.js';
import type { PinnedRelease, Wheel } from './releases.js';
import type { Environment } from './search.js';
import { sha256Of } from './sha256.js';

export interface WheelFetch {
  release: PinnedRelease;
  cuda: boolean;
  partial: Partial;
  env: Environment;
  signal: AbortSignal;
  report: ReportProgress;
}

interface Attempt extends WheelFetch {
  python: string;
  /** Bytes of the wheels that are there. */
  done: number;
  /** The first wheel, a small one, shows whether there is a way to the index, and shows it soon. */
  isFirst: boolean;
}

// What the table's wheels are for, whatever Python runs pip.
const tags = ['--python-version', '3.12', '--implementation', 'cp', '--abi', 'cp312'];
// pip's cache would hold the half gigabyte once more, and an old pip would read all of it into memory.
const quiet = ['--no-cache-dir', '--no-input', '--disable-pip-version-check', '--progress-bar', 'off'];
// Settings for other installs that would contradict these.
const neutral = { PIP_USER: '0', PIP_REQUIRE_VIRTUALENV: '0', PIP_REQUIRE_HASHES: '0', PIP_CONSTRAINT: undefined };
const patienceSeconds = 8;

/**
 * Makes the wheels of a release complete in the partial folder; those that are there are kept. Returns their paths.
 *
 * @throws NacueError `ERR_NACUE_LIBTORCH_FETCH`, `ERR_NACUE_LIBTORCH_DAMAGED`, `ERR_NACUE_CACHE`
 */
export async function fetchWheels(fetch: WheelFetch): Promise<string[]> {
  const { release, partial, signal, report } = fetch;
  const found = await pythonWithPip(fetch.env);
  if (!('python' in found)) throw noPip(fetch, found.findings);
  report({ phase: 'waiting', done: 0, total: release.downloadBytes });
  let done = 0;
  let isFirst = true;
  for (const wheel of release.wheels) {
    const file = path.join(partial.downloads, wheel.file);
    if (!(await isPublished(file, wheel, signal))) {
      await fetchWheel(wheel, { ...fetch, python: found.python, done, isFirst });
      isFirst = false;
    }
    done += wheel.size;
    report({ phase: 'downloading', done, total: release.downloadBytes });
  }
  return release.wheels.map(({ file }) => path.join(partial.downloads, file));
}

/** One that fails is tried again without pip's check of the hash: a wrong file then arrives, a missing one does not. */
async function fetchWheel(wheel: Wheel, attempt: Attempt): Promise<void> {
  const file = path.join(attempt.partial.downloads, wheel.file);
  const requirement = `${wheel.project}==${wheel.version}`;
  const requirements = path.join(attempt.partial.dir, 'requirements.txt');
  fs.writeFileSync(requirements, `${requirement} --hash=sha256:${wheel.sha256}\n`);
  let last: PipResult = { succeeded: false, output: '' };
  for (const what of [['--require-hashes', '--requirement', requirements], [requirement]]) {
    fs.rmSync(file, { force: true });
    last = await download(wheel, what, attempt);
    if (last.succeeded && (await isPublished(file, wheel, attempt.signal))) return;
  }
  if (!last.succeeded) throw explain(wheel, last.output, attempt);
  fs.rmSync(file, { force: true });
  throw wrongFile(wheel, attempt);
}

async function download(wheel: Wheel, what: readonly string[], attempt: Attempt): Promise<PipResult> {
  const { env, partial, signal, isFirst, python } = attempt;
  const mirror = env.NACUE_LIBTORCH_MIRROR;
  const args = ['download', '--no-deps', '--only-binary', ':all:', ...tags, '--platform', platformOf(wheel), ...quiet];
  if (isFirst) args.push('--retries', '1');
  // Not --index-url: everybody on the machine may read a command line, and a mirror's address may hold a password.
  const settings = { ...env, ...neutral, TMPDIR: partial.temporary, ...(mirror && { PIP_INDEX_URL: mirror }) };
  return runPip(python, [...args, '--dest', partial.downloads, ...what], {
    env: settings,
    signal,
    watch: watchArrival(wheel, attempt),
  });
}

function watchArrival(wheel: Wheel, attempt: Attempt): () => void {
  const { partial, done, isFirst, release, env, report } = attempt;
  const patience = Number(env.PIP_DEFAULT_TIMEOUT) || patienceSeconds;
  const deadline = performance.now() + patience * 1000;
  return () => {
    const arrived = Math.min(sizeOf(partial.temporary), wheel.size);
    if (arrived > 0) report({ phase: 'downloading', done: done + arrived, total: release.downloadBytes });
    else if (isFirst && performance.now() > deadline) throw explain(wheel, `no answer within ${patience} s`, attempt);
  };
}

/** A wheel may name several platforms; pip then takes any of them. */
function platformOf({ file }: Wheel): string {
  return file.match(/-([^-.]+)[^-]*\.whl$/)?.[1] ?? '';
}

async function isPublished(file: string, { size, sha256 }: Wheel, signal: AbortSignal): Promise<boolean> {
  if (fs.statSync(file, { throwIfNoEntry: false })?.size !== size) return false;
  return (await sha256Of(file, signal)) === sha256;
}

function noPip({ release, cuda }: WheelFetch, findings: PipFinding[]): NacueError {
  const isTooOld = findings.some((finding) => finding.isTooOld);
  return fetchFailure({
    problem: `LibTorch ${release.version} is fetched with pip, and there is ${isTooOld ? 'only an old one' : 'none'}.`,
    findings,
    fixes: [
      isTooOld
        ? 'update it: `python3 -m pip install --upgrade pip`; then again'
        : 'install pip: Debian, Ubuntu `apt-get install python3-pip`; Fedora `dnf install python3-pip`; then again',
      ...otherWays(release.version, cuda),
    ],
  });
}

function explain(wheel: Wheel, output: string, { partial, release, cuda, env, isFirst }: Attempt): NacueError {
  // pip keeps a wheel and a copy of it for a moment. There was space for that when the install began.
  requireSpace(partial.parent, 2 * wheel.size);
  const index = env.NACUE_LIBTORCH_MIRROR || env.PIP_INDEX_URL;
  return fetchFailure({
    problem: `pip could not fetch ${wheel.project} ${wheel.version} of LibTorch ${release.version}.`,
    findings: [
      {
        place: index ? maskAddresses(index) : "the package index of pip's settings",
        result: isFirst ? 'nothing came from it' : 'other files came from it',
      },
      ...pipReasons(output).map((result) => ({ place: 'pip', result })),
    ],
    fixes: [
      'run it again: files that have arrived whole are kept',
      'check the network; behind a proxy set HTTPS_PROXY; an index slow to answer needs PIP_DEFAULT_TIMEOUT (seconds)',
      'set NACUE_LIBTORCH_MIRROR or PIP_INDEX_URL to a mirror of PyPI',
      ...otherWays(release.version, cuda),
    ],
    detail: output,
  });
}

function wrongFile({ file, sha256 }: Wheel, { release, cuda, env }: Attempt): NacueError {
  const fixes = [
    'run it again: a proxy may have cut or changed the file',
    ...(env.NACUE_LIBTORCH_MIRROR ? ['unset NACUE_LIBTORCH_MIRROR, or ask whoever runs that index'] : []),
    ...otherWays(release.version, cuda),
  ];
  return damaged(
    { title: `what came as ${file}`, fixes },
    `is not what was published on PyPI: its SHA-256 is not ${sha256}`,
  );
}
