/** Step: the Python environment with pytorch-ood, for the parity tests, the bridge example and the models of the benchmark. */
import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { outputOf, run } from './command.mjs';
import { libtorchIn, provideLibTorch } from './libtorch.mjs';
import { buildNativeIfStale } from './native.mjs';
import { Problem, root, say } from './project.mjs';
import { isFresh, writeStamp } from './stamp.mjs';

const environment = path.join(root, '.python', 'parity');

/** Its Python; there after {@link provideParityEnvironment}. */
export const parityPython = path.join(environment, 'bin', 'python');

/** Makes the environment, once for each content of requirements.txt. */
export function provideParityEnvironment() {
  const requirements = path.join(root, 'test', 'parity', 'requirements.txt');
  const wanted = readFileSync(requirements, 'utf8');
  const stamp = path.join(environment, 'installed-requirements.txt');
  if (isFresh(stamp, wanted)) return say('python', `using ${path.relative(root, environment)}`);

  const packages = wanted.trim().split('\n').join(', ');
  say('python', `installing ${packages} (5 GB) in ${path.relative(root, environment)}`);
  rmSync(environment, { recursive: true, force: true });
  run('python3', ['-m', 'venv', environment]);
  const options = [
    '--no-input',
    '--disable-pip-version-check',
    ...(process.stdout.isTTY ? [] : ['--progress-bar', 'off']),
  ];
  const env = { ...process.env, PIP_USER: '0' };
  run(parityPython, ['-m', 'pip', 'install', ...options, '-r', requirements], { env });
  writeStamp(stamp, wanted);
}

/** Parity holds on one LibTorch, so nacue runs on the environment's; setup built for another minor where it found another. */
export async function buildForParityEnvironment() {
  const packages = outputOf(parityPython, ['-c', 'import sysconfig; print(sysconfig.get_path("purelib"))']);
  if (packages === null)
    throw new Problem(`${parityPython} does not run.`, [`remove ${environment} and run this again`]);
  const libtorch = await libtorchIn(packages);
  say('libtorch', `using ${libtorch.version} of the Python environment`);
  if ((await provideLibTorch()).minor !== libtorch.minor) await buildNativeIfStale(libtorch);
  return libtorch.dir;
}
