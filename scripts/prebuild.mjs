/**
 * Makes the binaries that the package carries: npm run prebuild [-- [--minor X.Y]... [--libtorch DIR]...]
 *
 * One addon per LibTorch minor and one loader, for the platform this runs on, in prebuilds/; what is up to date stays.
 * A minor's LibTorch is one given by --libtorch, else the one that nacue would find, else one fetched into the cache.
 */
import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { checkBinaries } from './steps/binaries.mjs';
import { installDependencies } from './steps/dependencies.mjs';
import { libtorchIn, provideLibTorchOf } from './steps/libtorch.mjs';
import { builtCudaGraphs, inputsOf } from './steps/native.mjs';
import { main, Problem, root, say } from './steps/project.mjs';
import { fingerprint, isFresh, writeStamp } from './steps/stamp.mjs';
import { compileTypeScript } from './steps/typescript.mjs';

const releasedMinors = ['2.11', '2.15'];

const staging = path.join(root, 'build', 'prebuild');
const prebuilds = path.join(root, 'prebuilds');
const platform = `${process.platform}-${process.arch}`;

await main(async () => {
  const { minor: minors, libtorch: folders } = parseOptions();
  installDependencies();
  compileTypeScript();
  const libtorches = await provideLibTorches(minors, folders);
  // Any LibTorch will do for the loader, which is built along with each addon.
  await prebuild('loader', 'nacue_loader', libtorches[0]);
  for (const libtorch of libtorches) await prebuild(`libtorch-${libtorch.minor}`, 'nacue', libtorch);
  // The check reads ELF files, so those of Linux.
  if (process.platform === 'linux') checkBinaries(prebuilds);
});

function parseOptions() {
  const list = { type: 'string', multiple: true };
  const { values } = parseArgs({ options: { minor: list, libtorch: { ...list, default: [] } } });
  const wrong = values.minor?.find((minor) => !/^\d+\.\d+$/.test(minor));
  if (wrong !== undefined) throw new Problem(`--minor takes a version like 2.11, not '${wrong}'.`);
  return values;
}

/** One LibTorch per minor; without --minor those of a release and those of --libtorch. */
async function provideLibTorches(minors, folders) {
  const named = await Promise.all(folders.map(libtorchIn));
  const wanted = minors ?? [...new Set([...releasedMinors, ...named.map(({ minor }) => minor)])];
  const libtorches = [];
  for (const minor of wanted)
    libtorches.push(named.find((libtorch) => libtorch.minor === minor) ?? (await provideLibTorchOf(minor)));
  return libtorches;
}

/** Builds one root of node-gyp-build and stores its addon as prebuilds/ROOT/prebuilds/PLATFORM-ARCH/NAME.glibc.node. */
async function prebuild(rootName, addonName, libtorch) {
  const cwd = path.join(staging, rootName);
  const out = path.join(prebuilds, rootName);
  const folder = path.join(out, 'prebuilds', platform);
  const stamp = path.join(cwd, 'nacue.stamp');
  const inputs = fingerprint(
    ['scripts/prebuild.mjs', 'scripts/prebuild-native.mjs'],
    [await inputsOf(libtorch), platform],
  );
  if (isFresh(stamp, inputs) && existsSync(path.join(folder, `${addonName}.glibc.node`)))
    return say('prebuild', `${path.relative(root, folder)} is up to date`);

  rmSync(folder, { recursive: true, force: true });
  mkdirSync(cwd, { recursive: true });
  // prebuildify hands its own environment on.
  process.env.NACUE_LIBTORCH = libtorch.dir;
  const nodeGyp = path.join(root, 'scripts', 'prebuild-native.mjs');
  const build = { cwd, out, name: addonName, nodeGyp, cache: staging, napi: true, tagLibc: true, strip: true };
  const { default: prebuildify } = await import('prebuildify'); // not before the packages are installed
  await promisify(prebuildify)(build).catch((cause) => {
    throw new Problem(
      `No ${addonName} was made for LibTorch ${libtorch.version} (${cause.message}); why is said above.`,
    );
  });
  const cudaGraphs = rootName === 'loader' ? null : builtCudaGraphs(libtorch, { portable: true });
  if (cudaGraphs !== null) copyFileSync(cudaGraphs, path.join(folder, path.basename(cudaGraphs)));
  writeStamp(stamp, inputs);
  say('prebuild', `${path.relative(root, folder)} is new`);
}
