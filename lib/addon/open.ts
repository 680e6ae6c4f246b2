/** The only file that opens LibTorch and the native addon: once per process, at the first use. */
import fs from 'node:fs';
import path from 'node:path';
import nodeGypBuild from 'node-gyp-build';
import { NacueError } from '../errors.js';
import { explainFailure, findLibTorch, type LibTorch, setupCommand } from '../libtorch/search.js';
import type { NativeBinding, NativeLoader } from './binding.js';

interface Loaded {
  binding: NativeBinding;
  cudaProblem: string | null;
}

let loaded: Loaded | undefined;

/**
 * The native addon for the LibTorch on this machine; the first call opens both.
 *
 * @throws NacueError `ERR_NACUE_LIBTORCH_NOT_FOUND`, `ERR_NACUE_LIBTORCH_VERSION` when no binary was built for this LibTorch,
 * `ERR_NACUE_LOAD_FAILED` when a library cannot be opened.
 */
export function loadBinding(): NativeBinding {
  loaded ??= load(findLibTorch());
  return loaded.binding;
}

/** Why CUDA cannot be used in this process, in one line; null when its kernels are there. Loads the binding. */
export function cudaProblem(): string | null {
  loaded ??= load(findLibTorch());
  return loaded.cudaProblem;
}

function load(libtorch: LibTorch): Loaded {
  const root = process.env.NACUE_PREBUILD || path.resolve(__dirname, '..', '..', 'build');
  const addon = addonFolder(root, libtorch);
  const loader = loadAddon<NativeLoader>(path.join(root, 'loader'), libtorch);
  for (const library of ['libc10.so', 'libtorch_cpu.so']) {
    const failure = openLibrary(loader, libtorch, library);
    if (failure) throw loadFailed(path.join(libtorch.dir, 'lib', library), failure, libtorch);
  }
  // Before the addon, so before anything runs in LibTorch: LibTorch keeps the CUDA hooks it sees at first use and starts the
  // autograd engine's device threads at the first backward. CUDA opened later would never be seen.
  const problem = noCudaReason(libtorch) ?? openCuda(loader, libtorch);
  return { binding: loadAddon<NativeBinding>(addon, libtorch), cudaProblem: problem };
}

/** Why it is no use to open libtorch_cuda (most of a second), or null. */
function noCudaReason(libtorch: LibTorch): string | null {
  if (!['/dev/nvidiactl', '/dev/nvidia0', '/dev/dxg'].some((device) => fs.existsSync(device))) {
    return 'no NVIDIA device was found (/dev/nvidiactl, /dev/nvidia0, /dev/dxg)';
  }
  if (process.env.CUDA_VISIBLE_DEVICES === '') return 'CUDA_VISIBLE_DEVICES is empty';
  if (!fs.existsSync(path.join(libtorch.dir, 'lib', 'libtorch_cuda.so'))) {
    return `LibTorch ${libtorch.version} in ${libtorch.dir} is a CPU build`;
  }
  return null;
}

function openCuda(loader: NativeLoader, libtorch: LibTorch): string | null {
  const failure = openLibrary(loader, libtorch, 'libtorch_cuda.so');
  // The usual cause: LibTorch's CPU part alone, as `npm run setup` fetches it.
  return (
    failure && `${failure} (install torch with all of its CUDA packages, or set NACUE_LIBTORCH to one that has them)`
  );
}

/** Opens one of LibTorch's libraries; returns the dynamic linker's text when that fails. */
function openLibrary(loader: NativeLoader, libtorch: LibTorch, library: string): string | null {
  try {
    loader.open(path.join(libtorch.dir, 'lib', library));
    return null;
  } catch (error) {
    return `${library} cannot be opened: ${messageOf(error)}`;
  }
}

function addonFolder(root: string, libtorch: LibTorch): string {
  const folder = path.join(root, `libtorch-${libtorch.minor}`);
  if (fs.existsSync(folder)) return folder;
  const minors = fs.existsSync(root)
    ? fs.readdirSync(root).flatMap((name) => name.match(/^libtorch-(\d+\.\d+)$/)?.[1] ?? [])
    : [];
  const built = minors.length > 0 ? `only for LibTorch ${minors.join(', ')}` : 'none at all';
  throw new NacueError(
    'ERR_NACUE_LIBTORCH_VERSION',
    explainFailure(
      `no nacue binary was built for LibTorch ${libtorch.version}.`,
      [
        { place: `${libtorch.source}, ${libtorch.dir}`, result: `LibTorch ${libtorch.version}` },
        { place: `binaries in ${root}`, result: built },
      ],
      [
        `${buildCommand()}: it builds nacue for this LibTorch`,
        ...minors.map((minor) => `set NACUE_LIBTORCH to a LibTorch ${minor}`),
      ],
    ),
  );
}

function loadAddon<T>(folder: string, libtorch: LibTorch): T {
  try {
    return nodeGypBuild(folder) as T;
  } catch (error) {
    throw loadFailed(folder, messageOf(error), libtorch, error);
  }
}

function loadFailed(what: string, reason: string, libtorch: LibTorch, cause?: unknown): NacueError {
  const message = explainFailure(
    'nacue cannot open its native part.',
    [
      { place: `${libtorch.source}, ${libtorch.dir}`, result: `LibTorch ${libtorch.version}` },
      { place: what, result: reason.trim().split('\n')[0] ?? reason },
    ],
    [
      `${buildCommand()}: it builds what is missing or stale`,
      'set NACUE_LIBTORCH to a complete LibTorch: one that was moved or copied no longer finds the libraries it needs',
    ],
  );
  return new NacueError('ERR_NACUE_LOAD_FAILED', message, { detail: reason, cause });
}

/** Binaries named by NACUE_PREBUILD come from elsewhere; what is built here goes into build/. */
function buildCommand(): string {
  return process.env.NACUE_PREBUILD ? `unset NACUE_PREBUILD and ${setupCommand()}` : setupCommand();
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
