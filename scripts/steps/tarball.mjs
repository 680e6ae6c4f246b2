/** Step: the tarball that would be published. */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { run } from './command.mjs';
import { Problem, root } from './project.mjs';
import { compileTypeScript } from './typescript.mjs';

/**
 * Packs the checkout as it is now, with fresh binaries.
 * @param {string} folder an empty one
 * @param {string[]} libtorchDirs where LibTorch lies; others are found or fetched
 * @returns the path of the tarball
 */
export function packTarball(folder, libtorchDirs) {
  compileTypeScript();
  const named = libtorchDirs.flatMap((dir) => ['--libtorch', dir]);
  run(process.execPath, [path.join(root, 'scripts', 'prebuild.mjs'), ...named]);
  run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: root });
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'));
  if (!tarball) throw new Problem('`npm pack` made no tarball.');
  return path.join(folder, tarball);
}
