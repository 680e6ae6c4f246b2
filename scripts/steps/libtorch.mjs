/** Step: find LibTorch as nacue itself does, or install its CPU part into the user's cache. */
import path from 'node:path';
import { Problem, root, say } from './project.mjs';

const progressIntervalMs = 5000;

/** @returns {Promise<{ dir: string, version: string, minor: string, source: string }>} */
export async function provideLibTorch() {
  const { findLibTorch, searchLibTorch } = await import(path.join(root, 'dist', 'libtorch', 'search.js'));
  const { found, candidates } = searchLibTorch();
  if (found) {
    say('libtorch', `using ${found.version} of ${found.source} (${found.dir})`);
    return found;
  }
  for (const { place, rejected } of candidates) say('libtorch', `${place}: ${rejected}`);
  // Whoever named a folder wants that one: say what is wrong with it.
  if (process.env.NACUE_LIBTORCH) return findLibTorch();
  return install();
}

async function install() {
  const { installLibTorch, planInstall } = await import(path.join(root, 'dist', 'libtorch', 'install.js'));
  const { name, dir, downloadBytes, diskBytes } = planInstall();
  say('libtorch', `fetching ${name} (CPU part, ${inMegabytes(downloadBytes)}) into ${dir} (${inMegabytes(diskBytes)})`);
  const stop = new AbortController();
  // What has arrived is kept for the next time.
  const onSignal = (signal) => stop.abort(new Problem(`The fetch was stopped (${signal}); run this again to go on.`));
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, onSignal);
  try {
    return await installLibTorch({ signal: stop.signal, onProgress: reporter() });
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, onSignal);
  }
}

/** A line when a phase begins, and one every few seconds. */
function reporter() {
  let last = { phase: '', time: 0 };
  return ({ phase, done, total }) => {
    const time = performance.now();
    if (phase === last.phase && time - last.time < progressIntervalMs) return;
    last = { phase, time };
    say('libtorch', `${phase}: ${inMegabytes(done)} of ${inMegabytes(total)}`);
  };
}

function inMegabytes(bytes) {
  return `${Math.round(bytes / 1e6)} MB`;
}
