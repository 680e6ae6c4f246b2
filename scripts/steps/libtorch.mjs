/** Step: find LibTorch as nacue itself does, or fetch its CPU part from PyPI into the user's cache. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statfsSync } from 'node:fs';
import path from 'node:path';
import { outputOf } from './command.mjs';
import { Problem, root, say } from './project.mjs';

const version = '2.11.0';
// --no-deps: of the 4 GB that torch's wheel asks for, libtorch_cpu opens only these two. In one call: pip does not merge the
// nvidia folder of a second one into the first.
const requirements = [`torch==${version}`, 'nvidia-cuda-runtime==13.0.*', 'nvidia-cuda-cupti==13.0.*'];
const bytesOnDisk = 1.2e9;
// Until pip is done, the 0.5 GB wheel lies beside what is unpacked from it, also in pip's own cache and in a spool file.
const bytesNeeded = bytesOnDisk + 1.8e9;
const progressIntervalMs = 5000;

const otherwise = [
  'set NACUE_LIBTORCH to a LibTorch you have: a folder that holds lib/libtorch_cpu.so or torch/lib/libtorch_cpu.so',
  `install torch ${version} for the Python on PATH`,
];

/** @returns {Promise<{ dir: string, version: string, minor: string, source: string }>} */
export async function provideLibTorch() {
  const { findLibTorch, searchLibTorch, libtorchCacheDir } = await import(path.join(root, 'dist', 'libtorch', 'search.js'));
  const { found, tried } = searchLibTorch();
  if (found) {
    say('libtorch', `using ${found.version} of ${found.source} (${found.dir})`);
    return found;
  }
  for (const { place, result } of tried) say('libtorch', `${place}: ${result}`);
  // Whoever named a folder wants that one: say what is wrong with it.
  if (process.env.NACUE_LIBTORCH) return findLibTorch();
  await fetchInto(libtorchCacheDir());
  return findLibTorch();
}

async function fetchInto(cache) {
  const python = pythonWithPip();
  prepare(cache);
  const target = path.join(cache, version);
  say('libtorch', `fetching ${version} (CPU part, ${gigabytes(bytesOnDisk)}) with ${python} -m pip into ${target}`);

  // One rename at the end, so that an interrupted fetch never looks complete. pip's temporary files go to the same disk.
  const partial = path.join(cache, `${version}.partial-${process.pid}`);
  const files = path.join(partial, 'files');
  const temporary = path.join(partial, 'tmp');
  mkdirSync(temporary, { recursive: true });
  try {
    await pipInstall(python, files, temporary);
    rmSync(target, { recursive: true, force: true });
    renameSync(files, target);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

function pythonWithPip() {
  const tried = ['python3', 'python'].map((python) => ({
    python,
    version: outputOf(python, ['--version']),
    pip: outputOf(python, ['-m', 'pip', '--version']),
  }));
  const usable = tried.find(({ pip }) => pip !== null);
  if (usable) return usable.python;
  const results = tried.map(
    ({ python, version }) => `${python}: ${version ? `${version} without pip` : 'not installed'}`,
  );
  throw new Problem(`LibTorch is fetched with pip, and there is none (${results.join('; ')}).`, [
    'Debian, Ubuntu: `apt-get install python3-pip`; Fedora: `dnf install python3-pip`; then again',
    ...otherwise,
  ]);
}

function prepare(cache) {
  const elsewhere = 'set NACUE_CACHE_DIR to a folder with space that you can write, here and wherever nacue runs';
  try {
    mkdirSync(cache, { recursive: true });
    accessSync(cache, constants.W_OK);
  } catch (error) {
    throw new Problem(`The cache folder cannot be written: ${error.message}.`, [elsewhere, ...otherwise]);
  }
  for (const name of readdirSync(cache)) {
    const owner = name.match(/\.partial-(\d+)$/)?.[1];
    if (!owner || existsSync(path.join('/proc', owner))) continue;
    say('libtorch', `removing ${name}, left by an interrupted fetch`);
    rmSync(path.join(cache, name), { recursive: true, maxRetries: 5 });
  }
  const free = freeBytes(cache);
  if (free < bytesNeeded) {
    throw new Problem(
      `LibTorch needs ${gigabytes(bytesNeeded)} in ${cache} while it is fetched; ${gigabytes(free)} are free.`,
      ['free some space', elsewhere, ...otherwise],
    );
  }
}

async function pipInstall(python, target, temporary) {
  const watched = process.stdout.isTTY;
  const args = ['-m', 'pip', 'install', '--no-deps', '--no-compile', '--no-input', '--disable-pip-version-check'];
  if (!watched) args.push('--progress-bar', 'off');
  // A user's pip settings for other installs would contradict --target. As settings, not options: an old pip skips unknown ones.
  const settings = { PIP_USER: '0', PIP_REQUIRE_VIRTUALENV: '0', PIP_ROOT_USER_ACTION: 'ignore' };
  const env = { ...process.env, ...settings, TMPDIR: temporary };
  const pip = spawn(python, [...args, '--target', target, ...requirements], {
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  // A stopped setup takes pip with it and then cleans up like after any other failure.
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => pip.kill(signal));
  const progress = watched ? undefined : reportProgress(path.dirname(target));
  try {
    const [status, signal] = await once(pip, 'exit');
    if (status === 0) return;
    if (signal) throw new Problem(`The fetch was stopped (${signal}); nothing of it is kept.`);
    throw new Problem(`pip ended with exit code ${status}; it says why above.`, [
      'no network or a proxy: set HTTPS_PROXY, or PIP_INDEX_URL for a mirror of PyPI, and run this again',
      `no matching distribution: ${outputOf(python, ['--version'])} may be too old or too new for torch ${version}; put another python3 first on PATH`,
      ...otherwise,
    ]);
  } finally {
    clearInterval(progress);
  }
}

function reportProgress(dir) {
  return setInterval(() => {
    // Null when a file went away while du was counting.
    const size = outputOf('du', ['--summarize', '--block-size=MB', dir]);
    if (size) say('libtorch', `${size.split('\t')[0]} on disk`);
  }, progressIntervalMs);
}

function freeBytes(dir) {
  const { bavail, bsize } = statfsSync(dir);
  return bavail * bsize;
}

function gigabytes(bytes) {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
