/** Finds the LibTorch to run on, and its version, without opening any of it. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { NacueError } from '../errors.js';

/** A LibTorch on this machine. */
export interface LibTorch {
  /** The folder with `lib/` and `include/`. */
  dir: string;
  /** For example `2.11.0+cu130`. */
  version: string;
  /** For example `2.11`: LibTorch's C++ interface changes with each minor version. */
  minor: string;
  /** Who named the folder: `NACUE_LIBTORCH`, `cache` or `python3 on PATH`. */
  source: string;
}

/** One place that was looked at, and what was there. */
export interface SearchStep {
  place: string;
  result: string;
}

/** What {@link searchLibTorch} found and where it looked. */
export interface LibTorchSearch {
  found: LibTorch | null;
  tried: SearchStep[];
}

/** A stand-in for `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

interface Place {
  name: string;
  source: string;
  dir: string;
}

type Inspected = { libtorch: LibTorch; supported: boolean } | { problem: string };

const oldestSupported = { major: 2, minor: 11 };
const oldestSupportedText = `${oldestSupported.major}.${oldestSupported.minor}`;
const pythonTimeoutMs = 20_000;
const notInstalled = 'not installed';

// Asks where torch lies without importing it, which would take seconds. The working folder is left out of the search: a folder
// called torch in it is not an installed package.
const pythonFindTorch = `
import importlib.util, sys
sys.path = [entry for entry in sys.path if entry]
spec = importlib.util.find_spec("torch")
print((spec.submodule_search_locations or [""])[0] if spec else "")
`;

/**
 * Returns the first usable LibTorch: `NACUE_LIBTORCH`, the user's cache, the `torch` of the Python on PATH.
 *
 * @throws NacueError `ERR_NACUE_LIBTORCH_NOT_FOUND` when there is none, `ERR_NACUE_LIBTORCH_VERSION` when all are too old; the
 * message lists each place, what was there, and the fixes.
 */
export function findLibTorch(env: Environment = process.env): LibTorch {
  const search = searchPlaces(env);
  if (search.found) return search.found;
  const problem = search.tooOld
    ? `no supported LibTorch was found: nacue needs ${oldestSupportedText} or newer.`
    : 'no LibTorch was found.';
  throw new NacueError(
    search.tooOld ? 'ERR_NACUE_LIBTORCH_VERSION' : 'ERR_NACUE_LIBTORCH_NOT_FOUND',
    explainFailure(problem, search.tried, libtorchFixes(env, search.tried)),
  );
}

/** Looks for LibTorch as {@link findLibTorch} does and returns what it tried instead of throwing. */
export function searchLibTorch(env: Environment = process.env): LibTorchSearch {
  const { found, tried } = searchPlaces(env);
  return { found, tried };
}

/** The folder in which `npm run setup` keeps one LibTorch per version. */
export function libtorchCacheDir(env: Environment = process.env): string {
  const cache = env.NACUE_CACHE_DIR || path.join(env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'nacue');
  return path.resolve(cache, 'libtorch');
}

/** A load error's text: the problem, what was looked at, and numbered fixes. */
export function explainFailure(problem: string, tried: readonly SearchStep[], fixes: readonly string[]): string {
  const lines = [problem];
  if (tried.length > 0) lines.push('Looked at:', ...tried.map(({ place, result }) => `  - ${place}: ${result}`));
  if (fixes.length > 0) lines.push('To fix it, one of:', ...fixes.map((fix, index) => `  ${index + 1}. ${fix}`));
  return lines.join('\n');
}

/** How to get the missing parts on this machine: a checkout sets itself up, an installed package runs its own script. */
export function setupCommand(): string {
  const root = path.resolve(__dirname, '..', '..');
  return fs.existsSync(path.join(root, 'tsconfig.json'))
    ? `run \`npm run setup\` in ${root}`
    : `run \`node ${path.join(root, 'scripts', 'setup.mjs')}\``;
}

function searchPlaces(env: Environment): LibTorchSearch & { tooOld: boolean } {
  const tried: SearchStep[] = [];
  let tooOld = false;
  for (const place of places(env, tried)) {
    const inspected = inspect(place);
    if ('problem' in inspected) {
      tried.push({ place: place.name, result: inspected.problem });
    } else if (!inspected.supported) {
      tooOld = true;
      tried.push({
        place: place.name,
        result: `LibTorch ${inspected.libtorch.version} is too old (${oldestSupportedText} or newer is needed)`,
      });
    } else {
      tried.push({ place: place.name, result: `LibTorch ${inspected.libtorch.version}` });
      return { found: inspected.libtorch, tried, tooOld };
    }
  }
  return { found: null, tried, tooOld };
}

/** The candidate folders in order, each looked up only when the one before was no good; `tried` notes the places without one. */
function* places(env: Environment, tried: SearchStep[]): Generator<Place> {
  const named = env.NACUE_LIBTORCH;
  if (named) {
    // Whoever names a LibTorch wants that one: a bad folder is an error, not a reason to take another.
    yield { name: `NACUE_LIBTORCH=${named}`, source: 'NACUE_LIBTORCH', dir: path.resolve(named) };
    return;
  }
  tried.push({ place: 'NACUE_LIBTORCH', result: 'not set' });

  const cache = libtorchCacheDir(env);
  const versions = cachedVersions(cache);
  if (versions.length === 0) tried.push({ place: `cache ${cache}`, result: 'empty' });
  for (const version of versions) {
    const dir = path.join(cache, version);
    yield { name: `cache ${dir}`, source: 'cache', dir };
  }

  const seen = new Set<string>();
  for (const python of ['python3', 'python']) {
    const source = `${python} on PATH`;
    const torch = torchOfPython(python, env);
    if ('problem' in torch) tried.push({ place: source, result: torch.problem });
    else if (!seen.has(torch.dir)) yield { name: `${source}, ${torch.dir}`, source, dir: torch.dir };
    if ('dir' in torch) seen.add(torch.dir);
  }
}

/** The complete versions in the cache, newest first; an unfinished fetch has another kind of name. */
function cachedVersions(cache: string): string[] {
  if (!fs.existsSync(cache)) return [];
  return fs
    .readdirSync(cache)
    .filter((name) => /^\d+\.\d+\.\d+$/.test(name))
    .sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
}

function torchOfPython(python: string, env: Environment): { dir: string } | { problem: string } {
  const run = spawnSync(python, ['-c', pythonFindTorch], {
    encoding: 'utf8',
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: pythonTimeoutMs,
  });
  if (run.error) {
    return { problem: 'code' in run.error && run.error.code === 'ENOENT' ? notInstalled : run.error.message };
  }
  if (run.status !== 0) {
    return { problem: run.stderr.trim().split('\n').at(-1) || `ended with ${run.signal ?? run.status}` };
  }
  const dir = run.stdout.trim().split('\n').at(-1);
  return dir ? { dir } : { problem: 'has no torch' };
}

/** Reads what lies in a folder; a pip --target or site-packages folder has its LibTorch one level down, in torch/. */
function inspect(place: Place): Inspected {
  if (!fs.existsSync(place.dir)) return { problem: 'no such folder' };
  const dir = [place.dir, path.join(place.dir, 'torch')].find((candidate) =>
    fs.existsSync(path.join(candidate, 'lib', 'libtorch_cpu.so')),
  );
  if (!dir) return { problem: 'holds neither lib/libtorch_cpu.so nor torch/lib/libtorch_cpu.so' };
  const version = readVersion(dir);
  if (!version) return { problem: `${dir} does not say its version (version.py, build-version, version.h)` };
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const supported =
    major > oldestSupported.major || (major === oldestSupported.major && minor >= oldestSupported.minor);
  return { libtorch: { dir, version, minor: `${major}.${minor}`, source: place.source }, supported };
}

function readVersion(dir: string): string | undefined {
  const python = readIfThere(path.join(dir, 'version.py'))?.match(/^__version__ = '(\d+\.\d+[^']*)'/m)?.[1];
  if (python) return python;
  const plain = readIfThere(path.join(dir, 'build-version'))?.trim();
  if (plain && /^\d+\.\d+/.test(plain)) return plain;
  const headers = ['torch/headeronly/version.h', 'torch/csrc/api/include/torch/version.h'];
  for (const header of headers) {
    const text = readIfThere(path.join(dir, 'include', header)) ?? '';
    const parts = ['MAJOR', 'MINOR', 'PATCH'].map((part) =>
      text.match(new RegExp(`TORCH_VERSION_${part} (\\d+)`))?.at(1),
    );
    if (parts.every((part) => part !== undefined)) return parts.join('.');
  }
  return undefined;
}

function readIfThere(file: string): string | undefined {
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : undefined;
}

function libtorchFixes(env: Environment, tried: readonly SearchStep[]): string[] {
  if (env.NACUE_LIBTORCH) {
    return [
      'set NACUE_LIBTORCH to a folder that holds lib/libtorch_cpu.so or torch/lib/libtorch_cpu.so',
      'unset NACUE_LIBTORCH to let nacue look in its cache and in the Python on PATH',
    ];
  }
  const hasPython = tried.some(({ place, result }) => place.startsWith('python3') && result !== notInstalled);
  const first = hasPython ? '' : 'install python3 and pip, then ';
  return [
    `${first}${setupCommand()}: it fetches LibTorch into ${libtorchCacheDir(env)} (1.2 GB)`,
    `${first}run \`python3 -m pip install "torch>=${oldestSupportedText}"\``,
    'set NACUE_LIBTORCH to a folder that holds lib/libtorch_cpu.so or torch/lib/libtorch_cpu.so',
  ];
}
