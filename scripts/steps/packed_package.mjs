/** Step: what the tests of the packed package run on; the same options for both of their scripts. */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { libtorchIn, provideLibTorchOf } from './libtorch.mjs';
import { Problem, say } from './project.mjs';
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
  const provided = dirs.length > 0 ? dirs.map(libtorchIn) : minorsIn(tarball).map(provideLibTorchOf);
  const libtorchs = await Promise.all(provided);
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
