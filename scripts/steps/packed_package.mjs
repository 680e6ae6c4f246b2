/** Step: what the tests of the packed package run on; the same options for both of their scripts. */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Problem, root, say } from './project.mjs';
import { packTarball } from './tarball.mjs';

/**
 * Reads the command line and provides what it does not name.
 * @param {string} folder an empty one, for the tarball
 * @returns {Promise<{ tarball: string, libtorchs: { dir: string, version: string, minor: string }[], grep?: string }>}
 */
export async function packedPackage(folder) {
  const { values } = parseArgs({
    options: {
      libtorch: { type: 'string', multiple: true },
      tarball: { type: 'string' },
      grep: { type: 'string' },
    },
  });
  const dirs = values.libtorch ?? process.env.NACUE_LIBTORCH_DIRS?.split(':') ?? [];
  const tarball = values.tarball ? path.resolve(values.tarball) : packTarball(folder, dirs);
  const libtorchs = await libtorchPerBinary(minorsIn(tarball), dirs);
  say('package', `${path.basename(tarball)} on LibTorch ${libtorchs.map(({ version }) => version).join(', ')}`);
  return { tarball, libtorchs, grep: values.grep };
}

/** The LibTorch minors that the tarball has a binary for. */
function minorsIn(tarball) {
  const names = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' });
  const minors = [...names.matchAll(/^package\/prebuilds\/libtorch-(\d+\.\d+)\//gm)].map(([, minor]) => minor);
  if (minors.length === 0) throw new Problem(`${tarball} holds no binaries.`, ['run `npm run prebuild`']);
  return [...new Set(minors)];
}

/** Those named, else one per minor: from where nacue itself looks, or fetched into the user's cache. */
async function libtorchPerBinary(minors, dirs) {
  const { findLibTorch, searchLibTorch } = await fromDist('search.js');
  if (dirs.length > 0) {
    return dirs.map((dir) => findLibTorch({ env: { ...process.env, NACUE_LIBTORCH: path.resolve(dir) } }));
  }
  const libtorchs = [];
  for (const minor of minors) libtorchs.push(searchLibTorch({ minors: [minor] }).found ?? (await fetchLibTorch(minor)));
  return libtorchs;
}

async function fetchLibTorch(minor) {
  const { installLibTorch } = await fromDist('install.js');
  say('libtorch', `fetching ${minor}.0`);
  return installLibTorch({ version: `${minor}.0` });
}

function fromDist(file) {
  return import(path.join(root, 'dist', 'libtorch', file));
}
