/** The only file that opens LibTorch and the native addon: once per process, at the first use. */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { messageOf, outOfRange } from '../errors.js';
import { libraries, libraryProblem } from '../libtorch/folder.js';
import { findLibTorch, type LibTorch } from '../libtorch/search.js';
import { type Binary, findBinaries } from './binaries.js';
import type { NativeBinding, NativeLoader } from './binding.js';
import { loadFailed, otherLibTorch } from './open-failures.js';
import { checkPlatform } from './platform.js';

interface Opened {
  binding: NativeBinding;
  cudaProblem: string | null;
  binary: Binary;
  libtorch: LibTorch;
}

let opened: Opened | undefined;

/**
 * The native addon for the LibTorch on this machine; the first call opens both.
 *
 * @param nativeBinding as the option of that name; it counts for the whole process
 * @throws NacueError `ERR_NACUE_PLATFORM`, `ERR_NACUE_LIBTORCH_NOT_FOUND`, `ERR_NACUE_LIBTORCH_VERSION` when there is no binary for this
 * LibTorch, `ERR_NACUE_LIBTORCH_CONFLICT`, `ERR_NACUE_LOAD_FAILED` when a library cannot be opened; RangeError
 * `ERR_NACUE_OUT_OF_RANGE` when the process already uses other binaries
 */
export function loadBinding(nativeBinding?: string): NativeBinding {
  return open(nativeBinding).binding;
}

/** Why CUDA cannot be used in this process, in one line; null when its kernels are there. Loads the binding. */
export function cudaProblem(): string | null {
  return open().cudaProblem;
}

/** What this process runs on. Loads the binding. */
export function openedFiles(): { libtorch: LibTorch; binary: Binary } {
  const { libtorch, binary } = open();
  return { libtorch, binary };
}

function open(nativeBinding?: string): Opened {
  if (!opened) {
    opened = openAll(nativeBinding);
    return opened;
  }
  const { binary } = opened;
  if (
    nativeBinding !== undefined &&
    !findBinaries(nativeBinding).some(({ addon }) => isSameFile(addon, binary.addon))
  ) {
    throw outOfRange('nativeBinding', `the one that this process already uses (${binary.addon})`, nativeBinding);
  }
  return opened;
}

function isSameFile(a: string, b: string): boolean {
  return fs.realpathSync(a) === fs.realpathSync(b);
}

function openAll(nativeBinding?: string): Opened {
  const binaries = findBinaries(nativeBinding);
  checkPlatform(binaries);
  const libtorch = findLibTorch({ minors: binaries.map(({ minor }) => minor) });
  const binary = binaries.find(({ minor }) => minor === libtorch.minor) as Binary;
  const loader = loadAddon<NativeLoader>(binary.loader, libtorch);
  openLibraries(loader, libtorch);
  // Before the addon, so before anything runs in LibTorch: LibTorch keeps the CUDA hooks it sees at first use and starts the
  // autograd engine's device threads at the first backward. CUDA opened later would never be seen.
  const problem = noCudaReason(libtorch) ?? openCuda(loader, libtorch);
  return { binding: loadAddon<NativeBinding>(binary.addon, libtorch), cudaProblem: problem, binary, libtorch };
}

/** Why it is no use to open libtorch_cuda (most of a second), or null. */
function noCudaReason(libtorch: LibTorch): string | null {
  if (!['/dev/nvidiactl', '/dev/nvidia0', '/dev/dxg'].some((device) => fs.existsSync(device))) {
    return 'no NVIDIA device was found (/dev/nvidiactl, /dev/nvidia0, /dev/dxg)';
  }
  if (process.env.CUDA_VISIBLE_DEVICES === '') return 'CUDA_VISIBLE_DEVICES is empty';
  if (!fs.existsSync(path.join(libtorch.dir, 'lib', libraries.cuda))) {
    return `LibTorch ${libtorch.version} in ${libtorch.dir} has no CUDA part (\`npx nacue libtorch install --cuda\` fetches one that has)`;
  }
  return null;
}

function openCuda(loader: NativeLoader, libtorch: LibTorch): string | null {
  try {
    loader.open(fileOf(libtorch, libraries.cuda));
    return null;
  } catch (error) {
    return `${libraries.cuda} cannot be opened: ${messageOf(error)} (\`npx nacue libtorch install --cuda\` fetches LibTorch with all that it needs)`;
  }
}

function openLibraries(loader: NativeLoader, libtorch: LibTorch): void {
  const cpu = fileOf(libtorch, libraries.cpu);
  try {
    loader.open(fileOf(libtorch, libraries.core), cpu);
  } catch (error) {
    if (error instanceof Error && 'other' in error) throw otherLibTorch(libtorch, String(error.other));
    throw loadFailed(cpu, messageOf(error), libtorch, error);
  }
}

function fileOf(libtorch: LibTorch, library: string): string {
  return path.join(libtorch.dir, 'lib', library);
}

function loadAddon<T>(file: string, libtorch: LibTorch): T {
  const problem = libraryProblem(file);
  if (problem) throw loadFailed(file, problem, libtorch);
  try {
    return createRequire(file)(file) as T;
  } catch (error) {
    throw loadFailed(file, messageOf(error), libtorch, error);
  }
}
