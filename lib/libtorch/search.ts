/** Finds the LibTorch to run on, and its version, without opening any of it. */
import path from 'node:path';
import { compareVersions } from '../compare-versions.js';
import { NacueError, type NacueErrorCode } from '../errors.js';
import { explainFailure } from '../load-failure.js';
import { buildCommand, installCommand } from '../package.js';
import { isSystemError } from '../system-error.js';
import { cachedNames, libtorchCacheDir } from './cache.js';
import { inspectFolder, libraries } from './folder.js';
import { mappedFiles } from './mapped-files.js';
import { notInstalled, torchOfPython } from './python.js';
import { defaultVersion, officialArchive } from './releases.js';

/** A LibTorch on this machine. */
export interface LibTorch {
  /** The folder with `lib/` and `include/`. */
  dir: string;
  /** For example `2.11.0+cu130`. */
  version: string;
  /** For example `2.11`: LibTorch's C++ interface changes with each minor version. */
  minor: string;
  /** Who named the folder: `NACUE_LIBTORCH`, `open in this process`, `cache` or `python3 on PATH`. */
  source: string;
}

/** One place that was looked at. */
export interface Candidate {
  /** In words, for example `cache /home/me/.cache/nacue/libtorch/2.11.0`. */
  place: string;
  /** Null where there is none. */
  libtorch: LibTorch | null;
  /** Why it is not used, null for the one that is. */
  rejected: string | null;
}

/** What {@link searchLibTorch} found and where it looked. */
export interface LibTorchSearch {
  found: LibTorch | null;
  candidates: Candidate[];
}

/** A stand-in for `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface SearchOptions {
  env?: Environment;
  /** The LibTorch minors that may be used, those with a binary; without it all that nacue can be built for. */
  minors?: readonly string[];
  /** The folder of the LibTorch that is open in this process; without it that is looked up. */
  open?: string | null;
  /** Goes on after the first usable one, for a full report. */
  all?: boolean;
}

interface Place {
  name: string;
  source: string;
  dir: string;
}

interface Verdict {
  libtorch: LibTorch | null;
  rejected: string | null;
  code: NacueErrorCode | null;
}

/** The oldest LibTorch that nacue can be built for. */
export const oldestSupported = '2.11';

/**
 * Returns the first usable LibTorch: `NACUE_LIBTORCH`, the user's cache, the `torch` of the Python on PATH.
 *
 * @throws NacueError `ERR_NACUE_LIBTORCH_NOT_FOUND` when there is none, `ERR_NACUE_LIBTORCH_VERSION` when there is none of a usable
 * version, `ERR_NACUE_LOAD_FAILED` when its libraries are for another system; the message lists each place, what was there, and the
 * fixes.
 */
export function findLibTorch(options: SearchOptions = {}): LibTorch {
  const { found, candidates, code } = search(options);
  if (found) return found;
  const tried = candidates.map(({ place, rejected }) => ({ place, result: rejected ?? '' }));
  throw new NacueError(
    code,
    explainFailure(problemOf(code, options.minors), tried, fixesFor(candidates, code, options)),
  );
}

/** Looks for LibTorch as {@link findLibTorch} does and returns what it tried instead of throwing. */
export function searchLibTorch(options: SearchOptions = {}): LibTorchSearch {
  const { found, candidates } = search(options);
  return { found, candidates };
}

function search({
  env = process.env,
  minors,
  all = false,
  open,
}: SearchOptions): LibTorchSearch & { code: NacueErrorCode } {
  const candidates: Candidate[] = [];
  let found: LibTorch | null = null;
  let code: NacueErrorCode = 'ERR_NACUE_LIBTORCH_NOT_FOUND';
  for (const place of places(env, open)) {
    const verdict = 'problem' in place ? { libtorch: null, rejected: place.problem, code: null } : judge(place, minors);
    const rejected = verdict.rejected ?? (found && 'not needed');
    candidates.push({ place: place.name, libtorch: verdict.libtorch, rejected });
    // The first thing wrong with a LibTorch that is there says more than the places where there is none.
    if (code === 'ERR_NACUE_LIBTORCH_NOT_FOUND' && verdict.code) code = verdict.code;
    if (rejected === null) found = verdict.libtorch;
    if (found && !all) break;
  }
  return { found, candidates, code };
}

/** The places in order, each looked up only when the one before was no good. */
function* places(
  env: Environment,
  given: string | null | undefined,
): Generator<Place | { name: string; problem: string }> {
  const named = env.NACUE_LIBTORCH;
  if (named) {
    // Whoever names a LibTorch wants that one: a bad folder is an error, not a reason to take another.
    yield { name: `NACUE_LIBTORCH=${named}`, source: 'NACUE_LIBTORCH', dir: path.resolve(named) };
    return;
  }
  yield { name: 'NACUE_LIBTORCH', problem: 'not set' };

  const inProcess = 'open in this process';
  const open = given === undefined ? openFolder() : given;
  if (open) yield { name: `${inProcess}, ${open}`, source: inProcess, dir: open };

  const cached = readable(() => ({ cache: libtorchCacheDir(env), names: cachedNames(env) }));
  if ('problem' in cached) yield { name: 'cache', problem: cached.problem };
  else if (cached.names.length === 0) yield { name: `cache ${cached.cache}`, problem: 'empty' };
  else
    for (const dir of cached.names.map((name) => path.join(cached.cache, name)))
      yield { name: `cache ${dir}`, source: 'cache', dir };

  const seen = new Set<string>();
  for (const python of ['python3', 'python']) {
    const name = `${python} on PATH`;
    const torch = torchOfPython(python, env);
    if ('problem' in torch) yield { name, problem: torch.problem };
    else if (!seen.has(torch.dir)) yield { name: `${name}, ${torch.dir}`, source: name, dir: torch.dir };
    if ('dir' in torch) seen.add(torch.dir);
  }
}

function openFolder(): string | null {
  const library = mappedFiles().find(({ file, isGone }) => path.basename(file) === libraries.cpu && !isGone);
  return library ? path.dirname(path.dirname(library.file)) : null;
}

function judge({ source, dir }: Place, minors: readonly string[] | undefined): Verdict {
  const folder = readable(() => inspectFolder(dir));
  if ('problem' in folder) return { libtorch: null, rejected: folder.problem, code: 'ERR_NACUE_LIBTORCH_NOT_FOUND' };
  const [major = 0, minor = 0] = folder.version.split('.').map(Number);
  const libtorch = { dir: folder.dir, version: folder.version, minor: `${major}.${minor}`, source };
  const rejected = versionProblem(libtorch, minors);
  if (rejected !== null) return { libtorch, rejected, code: 'ERR_NACUE_LIBTORCH_VERSION' };
  if (folder.unusable !== null) return { libtorch, rejected: folder.unusable, code: 'ERR_NACUE_LOAD_FAILED' };
  return { libtorch, rejected: null, code: null };
}

/** A place that may not be read is one more that is no good. */
function readable<T>(read: () => T): T | { problem: string } {
  try {
    return read();
  } catch (error) {
    if (isSystemError(error)) return { problem: `cannot be read: ${error.message}` };
    if (error instanceof NacueError) return { problem: error.message.split('\n')[0] ?? '' }; // no home folder
    throw error;
  }
}

function versionProblem({ version, minor }: LibTorch, minors: readonly string[] | undefined): string | null {
  if (compareVersions(minor, oldestSupported) < 0) {
    return `LibTorch ${version} is too old (${oldestSupported} or newer is needed)`;
  }
  if (!minors || minors.includes(minor)) return null;
  return `LibTorch ${version}, for which nacue has no binary here (it has ${listOf(minors)})`;
}

function listOf(minors: readonly string[]): string {
  return minors.length === 0 ? 'none at all' : `those for ${minors.join(' and ')}`;
}

function problemOf(code: NacueErrorCode, minors: readonly string[] | undefined): string {
  switch (code) {
    case 'ERR_NACUE_LIBTORCH_VERSION':
      return minors
        ? `no LibTorch was found that nacue has a binary for: it has ${listOf(minors)}.`
        : `no supported LibTorch was found: nacue needs ${oldestSupported} or newer.`;
    case 'ERR_NACUE_LOAD_FAILED':
      return 'the LibTorch found cannot be used.';
    default:
      return 'no LibTorch was found.';
  }
}

function fixesFor(candidates: readonly Candidate[], code: NacueErrorCode, options: SearchOptions): string[] {
  const { env = process.env, minors } = options;
  const wanted = minors && minors.length > 0 ? minors.join(' or ') : `${oldestSupported} or newer`;
  const folder = `set NACUE_LIBTORCH to the folder of a LibTorch ${wanted}: one that holds lib/libtorch_cpu.so or torch/lib/libtorch_cpu.so`;
  const build = `${buildCommand()}: it builds nacue for the LibTorch at hand`;
  const canBuild = candidates.some(({ libtorch }) => libtorch && versionProblem(libtorch, undefined) === null);
  const builds = code === 'ERR_NACUE_LIBTORCH_VERSION' && canBuild ? [build] : [];
  if (minors?.length === 0) return [build];
  if (env.NACUE_LIBTORCH) {
    const unset = 'unset NACUE_LIBTORCH to let nacue look in its cache and in the Python on PATH';
    return [folder, `${unset}, and ${installCommand()} where there is none`, ...builds];
  }
  const hasPython = candidates.some(({ place, rejected }) => place.startsWith('python3') && rejected !== notInstalled);
  const install = `${installCommand()}: it fetches LibTorch into nacue's cache`;
  return [
    ...(hasPython
      ? [install, `run \`python3 -m pip install "torch==${minors?.[0] ?? oldestSupported}.*"\``]
      : [
          `install python3 and pip, then ${install}`,
          `without Python: run \`npx nacue libtorch install --from ${officialArchive(defaultVersion)}\``,
        ]),
    folder,
    ...builds,
  ];
}
