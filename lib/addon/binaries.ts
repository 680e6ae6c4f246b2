/**
 * Which native binaries there are, and for which LibTorch.
 *
 * A set of binaries is a folder with `loader/` and one `libtorch-X.Y/` per LibTorch minor; each of them is a root for node-gyp-build, which
 * takes `build/Release/` before `prebuilds/PLATFORM-ARCH/` and, with `PREBUILDS_ONLY`, the latter alone.
 */
import fs from 'node:fs';
import path from 'node:path';
import nodeGypBuild from 'node-gyp-build';
import { compareVersions } from '../compare-versions.js';
import { NacueError } from '../errors.js';
import { explainFailure } from '../load-failure.js';
import { buildCommand, checkoutRoot, packageRoot } from '../package.js';
import { isSystemError } from '../system-error.js';

/** An addon and the loader that goes with it. */
export interface Binary {
  /** The LibTorch minor that it was built for, for example `2.11`. */
  minor: string;
  addon: string;
  loader: string;
}

const layout = 'loader/ and libtorch-X.Y/, each with build/Release/*.node or prebuilds/PLATFORM-ARCH/*.node';

/**
 * All binaries, one per minor: the user's own builds before the prebuilt ones. `nativeBinding`, else `NACUE_PREBUILD`, replaces both.
 *
 * @throws NacueError `ERR_NACUE_LOAD_FAILED` when a place that was named holds none
 */
export function findBinaries(nativeBinding?: string): Binary[] {
  const named = nativeBinding ?? process.env.NACUE_PREBUILD;
  if (!named) return onePerMinor(packageSets().flatMap(binariesIn));
  const name = nativeBinding === undefined ? `NACUE_PREBUILD=${named}` : `nativeBinding ${named}`;
  try {
    const binaries = binariesAt(path.resolve(named));
    if (binaries.length > 0) return binaries;
  } catch (error) {
    if (isSystemError(error)) throw nothingThere(name, `cannot be read: ${error.message}`);
    throw error;
  }
  throw nothingThere(name, `neither a folder with ${layout}, nor a nacue.node with nacue_loader.node beside it`);
}

function binariesAt(place: string): Binary[] {
  return isFile(place) ? binariesOfFile(place) : onePerMinor(setsAt(place).flatMap(binariesIn));
}

/** In a bundle there is no package around the code, so no binaries either. */
function packageSets(): string[] {
  const root = packageRoot();
  if (root === undefined) return [];
  const [, own, prebuilt] = setsAt(root);
  // In a checkout, what was prebuilt is older than the code sooner or later.
  return checkoutRoot() !== undefined && !process.env.PREBUILDS_ONLY ? [own] : [own, prebuilt];
}

/** A folder may be a set itself, or a package with one in build/ and one in prebuilds/. */
function setsAt(folder: string): [itself: string, own: string, prebuilt: string] {
  return [folder, path.join(folder, 'build'), path.join(folder, 'prebuilds')];
}

function binariesIn(set: string): Binary[] {
  const loader = addonIn(path.join(set, 'loader'));
  if (loader === null) return [];
  return fs.readdirSync(set).flatMap((name) => {
    const minor = name.match(/^libtorch-(\d+\.\d+)$/)?.[1];
    const addon = minor === undefined ? null : addonIn(path.join(set, name));
    return minor === undefined || addon === null ? [] : [{ minor, addon, loader }];
  });
}

function onePerMinor(binaries: readonly Binary[]): Binary[] {
  const first = binaries.filter(({ minor }, i) => binaries.findIndex((other) => other.minor === minor) === i);
  return first.sort((a, b) => compareVersions(a.minor, b.minor));
}

/** The addon that node-gyp-build takes for this platform; it also looks beside Node.js itself, which is not meant here. */
function addonIn(folder: string): string | null {
  if (!fs.existsSync(folder)) return null;
  try {
    const file = nodeGypBuild.resolve(folder);
    return file.startsWith(folder) ? file : null;
  } catch {
    return null; // its one error: nothing for this platform
  }
}

/** A single addon says itself what it was built for; its loader lies beside it, or in the set that both belong to. */
function binariesOfFile(addon: string): Binary[] {
  const minor = fs.readFileSync(addon, 'latin1').match(/nacue built for LibTorch (\d+\.\d+)\./)?.[1];
  const folder = path.dirname(addon);
  const beside = fs.readdirSync(folder).find((name) => /^nacue_loader(\.\w+)?\.node$/.test(name));
  const loader = beside ? path.join(folder, beside) : addonIn(path.resolve(folder, '..', '..', '..', 'loader'));
  return minor === undefined || loader === null ? [] : [{ minor, addon, loader }];
}

function isFile(place: string): boolean {
  return fs.statSync(place, { throwIfNoEntry: false })?.isFile() ?? false;
}

function nothingThere(name: string, result: string): NacueError {
  const message = explainFailure(
    'there are no nacue binaries for this system where they were said to be.',
    [{ place: name, result }],
    [
      'give the prebuilds/ folder of an installed nacue, or a copy of it',
      `leave it out to use the package's own; ${buildCommand()} where it has none`,
    ],
  );
  return new NacueError('ERR_NACUE_LOAD_FAILED', message);
}
