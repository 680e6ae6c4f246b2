/**
 * Step: the CUDA compiler and its headers, for native/cuda; no GPU and no driver is needed.
 *
 * From PyPI, pinned by SHA-256, into the user's cache beside LibTorch (0.3 GB); for an installed package only where there is a GPU.
 * `NACUE_CUDA_TOOLKIT` names a toolkit that is there already, a folder with bin/nvcc, or says `none`. Without one the addon leaves its own
 * CUDA kernels out and uses LibTorch's operators.
 */
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { outputOf } from './command.mjs';
import { isCheckout, Problem, root, say } from './project.mjs';
import { fingerprint } from './stamp.mjs';

/** What is fetched, for pip. */
export const cudaRequirements = 'scripts/cuda-toolkit-requirements.txt';
const hasWheels = process.platform === 'linux' && process.arch === 'x64';
const inWheels = path.join('nvidia', 'cu13');

/**
 * Finds it or fetches it.
 * @param {{ required: boolean }} options required: a Problem where it cannot be had on Linux x64, for binaries that others get
 * @returns {Promise<string | null>} a folder with bin/nvcc and include/
 */
export async function provideCudaToolkit({ required }) {
  const found = await findCudaToolkit();
  if (found !== null || !hasWheels) return found;
  const reason = reasonToDoWithout() ?? fetchToolkit(await cacheFolder());
  if (reason === null) return findCudaToolkit();
  if (required)
    throw new Problem(`There is no CUDA compiler: ${reason}.`, ['set NACUE_CUDA_TOOLKIT to a folder with bin/nvcc']);
  say('cuda', `the addon gets no CUDA kernels of its own: ${reason}`);
  return null;
}

function reasonToDoWithout() {
  if (process.env.NACUE_CUDA_TOOLKIT) return 'NACUE_CUDA_TOOLKIT says none';
  return isCheckout || existsSync('/dev/nvidiactl') ? null : 'this machine has no NVIDIA GPU';
}

/** The one that is there, or null. @returns {Promise<string | null>} */
export async function findCudaToolkit() {
  const named = process.env.NACUE_CUDA_TOOLKIT;
  if (named === 'none') return null;
  if (!named) {
    const dir = path.join(await cacheFolder(), inWheels);
    return existsSync(path.join(dir, 'bin', 'nvcc')) ? dir : null;
  }
  const dir = path.resolve(named);
  if (existsSync(path.join(dir, 'bin', 'nvcc'))) return dir;
  throw new Problem(`NACUE_CUDA_TOOLKIT=${named} is no folder with bin/nvcc.`, ['leave it out: one is fetched']);
}

/** One per set of versions. */
async function cacheFolder() {
  const { libtorchCacheDir } = await import(path.join(root, 'dist', 'libtorch', 'cache.js'));
  return path.join(path.dirname(libtorchCacheDir()), 'cuda-toolkit', fingerprint([cudaRequirements]).slice(0, 12));
}

/** Complete or not there at all. Says why it failed, or null. */
function fetchToolkit(folder) {
  say('cuda', `fetching the CUDA compiler (105 MB) into ${folder}`);
  mkdirSync(path.dirname(folder), { recursive: true });
  const partial = mkdtempSync(`${folder}.partial-`);
  try {
    const quick = ['--quiet', '--no-input', '--disable-pip-version-check', '--retries', '1', '--timeout', '20'];
    const what = ['--no-deps', '--require-hashes', '--only-binary', ':all:', '--requirement', cudaRequirements];
    const installed = outputOf('python3', ['-m', 'pip', 'install', ...quick, ...what, '--target', partial]);
    if (installed === null) return 'pip could not fetch it';
    moveInto(folder, partial);
    return null;
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

/** Whoever comes second with the same keeps what is there. */
function moveInto(folder, partial) {
  try {
    renameSync(partial, folder);
  } catch (error) {
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
  }
}
