/** Step: a Python virtual environment of its own for each purpose, under the git-ignored .python/. */
import { rmSync } from 'node:fs';
import path from 'node:path';
import { outputOf, run } from './command.mjs';
import { Problem, root, say } from './project.mjs';
import { fingerprint, isFresh, writeStamp } from './stamp.mjs';

/**
 * @param {string} name the folder under .python/
 * @param {string} requirements a pip requirements file, relative to the project
 * @returns the folder with the environment's programs
 */
export function providePythonEnvironment(name, requirements) {
  const dir = path.join(root, '.python', name);
  const programs = path.join(dir, 'bin');
  const stamp = path.join(dir, '.stamp');
  const version = outputOf('python3', ['--version']);
  if (!version) throw new Problem('This needs python3 on PATH.', ['Debian, Ubuntu: `apt-get install python3-venv`']);
  const current = fingerprint([requirements], [root, version]);
  if (isFresh(stamp, current)) return programs;

  say('python', `installing ${requirements} into ${path.relative(root, dir)}`);
  rmSync(dir, { recursive: true, force: true });
  if (outputOf('python3', ['-m', 'venv', dir]) === null) {
    throw new Problem('python3 cannot make a virtual environment.', ['Debian, Ubuntu: `apt-get install python3-venv`']);
  }
  const quiet = ['--quiet', '--no-input', '--disable-pip-version-check'];
  run(path.join(programs, 'python'), ['-m', 'pip', 'install', ...quiet, '--requirement', requirements]);
  writeStamp(stamp, current);
  return programs;
}
