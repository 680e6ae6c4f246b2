/** Step: the npm packages of package-lock.json. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { run } from './command.mjs';
import { isCheckout, root, say } from './project.mjs';

export function installDependencies() {
  if (!isCheckout) return;
  if (isInstalled()) return say('npm', 'node_modules/ is up to date');
  say('npm', 'installing the packages of package-lock.json (npm ci)');
  run('npm', ['ci', '--no-audit', '--no-fund']);
}

/** npm notes in node_modules/.package-lock.json what it installed; packages for other platforms are not there. */
function isInstalled() {
  const installed = packagesIn('node_modules/.package-lock.json');
  if (!installed) return false;
  const wanted = Object.entries(packagesIn('package-lock.json') ?? {}).filter(([name]) => name !== '');
  return wanted.every(([name, { version, integrity, optional }]) => {
    const found = installed[name];
    return found ? found.version === version && found.integrity === integrity : optional;
  });
}

function packagesIn(lockfile) {
  const file = path.join(root, lockfile);
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).packages : undefined;
}
