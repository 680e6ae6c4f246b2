/** cmake-js and node-addon-api: only whoever builds needs them, so nacue does not depend on them. */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { NacueError } from '../errors.js';
import { libtorchCacheDir } from '../libtorch/cache.js';
import { prepareFolder, withDiskErrors } from '../libtorch/disk.js';
import { explainFailure } from '../load-failure.js';
import { runProgram } from './child-program.js';
import { tell } from './terminal.js';

const packages = ['cmake-js@8', 'node-addon-api@8'];

/** The node_modules folder, beside nacue's cache of LibTorch, in which {@link installBuildTools} puts them. */
function toolFolder(): string {
  return path.join(path.dirname(libtorchCacheDir()), 'build-tools', 'node_modules');
}

/** Where scripts/build.mjs finds what it cannot resolve from the package; null when that has to be installed first. */
export function buildToolFolder(root: string): string | null {
  const folder = toolFolder();
  return [root, folder].some(hasTools) ? folder : null;
}

/** @throws NacueError `ERR_NACUE_BUILD` when npm cannot install them, `ERR_NACUE_CACHE` without a place for them */
export async function installBuildTools(signal: AbortSignal): Promise<string> {
  const folder = toolFolder();
  const target = path.dirname(folder);
  const parent = path.dirname(target);
  prepareFolder(parent);
  const partial = withDiskErrors(parent, () => fs.mkdtempSync(`${target}.partial-`));
  try {
    await npmInstall(partial, signal);
    withDiskErrors(parent, () => putInPlace(partial, target));
  } finally {
    fs.rmSync(partial, { recursive: true, force: true });
  }
  return folder;
}

async function npmInstall(prefix: string, signal: AbortSignal): Promise<void> {
  const options = ['--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', prefix];
  tell(`npm: installing ${packages.join(' and ')} in ${prefix}`);
  const failure = await runProgram('npm', ['install', ...options, ...packages], { signal });
  if (failure === null) return;
  throw new NacueError(
    'ERR_NACUE_BUILD',
    explainFailure(
      'the build needs cmake-js and node-addon-api, which npm could not install.',
      [{ place: `npm install in ${prefix}`, result: failure }],
      [
        'run `npx nacue build` again with npm on PATH and with a registry in reach',
        `run \`npm install --save-dev ${packages.join(' ')}\` beside nacue`,
      ],
    ),
  );
}

/** Leaves what another process has completed meanwhile: it may be building with that. */
function putInPlace(partial: string, target: string): void {
  if (hasTools(target)) return;
  fs.rmSync(target, { recursive: true, force: true });
  fs.renameSync(partial, target);
}

function hasTools(folder: string): boolean {
  const require = createRequire(path.join(folder, 'package.json'));
  try {
    for (const name of ['cmake-js', 'node-addon-api']) require.resolve(`${name}/package.json`);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return false;
    throw error;
  }
}
