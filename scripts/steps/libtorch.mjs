/** Step: find LibTorch as nacue itself does, or install its CPU part into the user's cache. */
import path from 'node:path';
import { Problem, root, say } from './project.mjs';

const progressIntervalMs = 5000;

/** @typedef {{ dir: string, version: string, minor: string, source: string }} LibTorch */

/**
 * The one to build for and to test on: of several, that of the version which parity is tested with, whatever else `npm run prebuild` has
 * fetched.
 * @returns {Promise<LibTorch>}
 */
export async function provideLibTorch() {
  const { findLibTorch, searchLibTorch } = await fromDist('libtorch/search.js');
  const { defaultVersion } = await fromDist('libtorch/releases.js');
  const { found, candidates } = searchLibTorch();
  const preferred = found && searchLibTorch({ minors: [defaultVersion.replace(/\.\d+$/, '')] }).found;
  const libtorch = preferred ?? found;
  if (libtorch) {
    say('libtorch', `using ${libtorch.version} of ${libtorch.source} (${libtorch.dir})`);
    return libtorch;
  }
  for (const { place, rejected } of candidates) say('libtorch', `${place}: ${rejected}`);
  // Whoever named a folder wants that one: say what is wrong with it.
  if (process.env.NACUE_LIBTORCH) return findLibTorch();
  return install();
}

/** One of a given minor version. @param {string} minor @returns {Promise<LibTorch>} */
export async function provideLibTorchOf(minor) {
  const { searchLibTorch } = await fromDist('libtorch/search.js');
  return searchLibTorch({ minors: [minor] }).found ?? install({ version: `${minor}.0` });
}

/** The one in a folder that somebody has named. @param {string} dir @returns {Promise<LibTorch>} */
export async function libtorchIn(dir) {
  const { findLibTorch } = await fromDist('libtorch/search.js');
  return findLibTorch({ env: { ...process.env, NACUE_LIBTORCH: path.resolve(dir) } });
}

async function install(options = {}) {
  const { installLibTorch, planInstall } = await fromDist('libtorch/install.js');
  const { megabytes } = await fromDist('byte-size.js');
  const { name, dir, downloadBytes, diskBytes } = planInstall(options);
  say('libtorch', `fetching ${name} (CPU part, ${megabytes(downloadBytes)}) into ${dir} (${megabytes(diskBytes)})`);
  const stop = new AbortController();
  // Files that have arrived whole are kept for the next time.
  const onSignal = (signal) => stop.abort(new Problem(`The fetch was stopped (${signal}); run this again to go on.`));
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, onSignal);
  try {
    return await installLibTorch({ ...options, signal: stop.signal, onProgress: reporter(megabytes) });
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, onSignal);
  }
}

/** A line when a phase begins, and one every few seconds. */
function reporter(megabytes) {
  let last = { phase: '', time: 0 };
  return ({ phase, done, total }) => {
    const time = performance.now();
    if (phase === last.phase && time - last.time < progressIntervalMs) return;
    last = { phase, time };
    say('libtorch', `${phase}: ${megabytes(done)} of ${megabytes(total)}`);
  };
}

function fromDist(file) {
  return import(path.join(root, 'dist', file));
}
