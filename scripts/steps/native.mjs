/** Step: build the loader and the addon for one LibTorch, by cmake-js and CMakeLists.txt. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { outputOf, run } from './command.mjs';
import { findCudaToolkit, provideCudaToolkit } from './cuda_toolkit.mjs';
import { Problem, root, say } from './project.mjs';
import { fingerprint, isFresh, writeStamp } from './stamp.mjs';

// What one translation unit full of LibTorch headers takes at its peak.
const bytesPerCompiler = 2 ** 31;

const compiler = process.env.CXX || 'c++';

const toolFixes = [
  'Debian, Ubuntu: `apt-get install cmake g++ make`; Fedora: `dnf install cmake gcc-c++ make`',
  'CMake alone can also come from `python3 -m pip install cmake`',
];

/**
 * @typedef {{ dir: string, version: string, minor: string }} LibTorch
 * @typedef {{ sanitize?: boolean, portable?: boolean, tests?: boolean, dev?: boolean, verbose?: boolean,
 *   out?: string }} BuildOptions `out`: a folder instead of build/
 */

/** Builds only when something that goes into the result has changed. @param {LibTorch} libtorch */
export async function buildNativeIfStale(libtorch) {
  if (
    isFresh(stampOf(libtorch, {}), await inputsOf(libtorch)) &&
    builtFiles(libtorch, {}).every((file) => existsSync(file))
  ) {
    return say('native', `the addon for LibTorch ${libtorch.minor} is up to date`);
  }
  await buildNative(libtorch);
}

/** @param {LibTorch} libtorch @param {BuildOptions} [options] */
export async function buildNative(libtorch, options = {}) {
  const cudaToolkit = await provideCudaToolkit({ required: options.portable === true });
  const inputs = await inputsOf(libtorch);
  const generator = versionOf('ninja') ? 'Ninja' : 'Unix Makefiles';
  requireTools(generator);
  const buildDir = cmakeDir(libtorch, options);
  removeUnusableCache(buildDir, generator);

  say(
    'native',
    `building ${kindOf(options)?.purpose ?? ''}for LibTorch ${libtorch.version} in ${path.relative(root, buildDir)}`,
  );
  const jobs = Math.max(1, Math.min(os.availableParallelism(), Math.floor(os.totalmem() / bytesPerCompiler)));
  const common = ['--out', buildDir, '--generator', generator, '--log-level', options.verbose ? 'verbose' : 'warn'];
  const settings = {
    NACUE_LIBTORCH: libtorch.dir,
    NACUE_LIBTORCH_VERSION: libtorch.version,
    NACUE_CUDA_TOOLKIT: cudaToolkit ?? '',
    NACUE_OUTPUT: outputRoot(options),
    NACUE_SANITIZE: options.sanitize ? 'ON' : 'OFF',
    NACUE_PORTABLE: options.portable ? 'ON' : 'OFF',
    CMAKE_VERBOSE_MAKEFILE: options.verbose ? 'ON' : 'OFF',
    ...unitySetting(buildDir, options),
    ...(options.tests && { NACUE_TESTS: 'ON' }),
  };
  const definitions = Object.entries(settings).map(([name, value]) => `--CD${name}=${value}`);
  configure(buildDir, [...common, ...definitions]);
  cmakeJs(['build', ...common, '--parallel', String(jobs)]);
  writeStamp(stampOf(libtorch, options), inputs);
}

/** From nothing, one unit is fastest; whoever edits native/ is better off with the precompiled header, once and from then on. */
function unitySetting(buildDir, options) {
  if (options.dev) return { NACUE_UNITY: 'OFF' };
  return existsSync(cacheOf(buildDir)) ? {} : { NACUE_UNITY: 'ON' };
}

/** CMake's own folder for a LibTorch. @param {LibTorch} libtorch @param {BuildOptions} options */
export function cmakeDir(libtorch, options) {
  const kind = kindOf(options);
  return path.join(outputRoot(options), `cmake-${libtorch.minor}${kind ? `-${kind.name}` : ''}`);
}

/** The loader and the addon. @param {LibTorch} libtorch @param {BuildOptions} options */
export function builtFiles(libtorch, options) {
  const output = path.join(outputRoot(options), kindOf(options)?.name ?? '');
  return [
    path.join(output, 'loader', 'build', 'Release', 'nacue_loader.node'),
    path.join(output, `libtorch-${libtorch.minor}`, 'build', 'Release', 'nacue.node'),
  ];
}

/** What makes CUDA graphs, beside the addon; null where there were no CUDA headers. @param {LibTorch} libtorch @param {BuildOptions} options */
export function builtCudaGraphs(libtorch, options) {
  const [, addon] = builtFiles(libtorch, options);
  const file = path.join(path.dirname(addon), 'nacue_cuda.so');
  return existsSync(file) ? file : null;
}

/** Where all that is built goes. @param {BuildOptions} options */
function outputRoot({ out }) {
  return out ?? path.join(root, 'build');
}

/** Builds that must leave the one for this machine alone have folders of their own, named in CMakeLists.txt too. */
function kindOf({ sanitize, portable }) {
  if (sanitize) return { name: 'asan', purpose: 'with the sanitizers ' };
  if (portable) return { name: 'prebuild', purpose: 'a portable binary ' };
  return null;
}

function cacheOf(buildDir) {
  return path.join(buildDir, 'CMakeCache.txt');
}

function stampOf(libtorch, options) {
  return path.join(cmakeDir(libtorch, options), 'nacue.stamp');
}

/** All that the built files depend on, as a hash. @param {LibTorch} libtorch */
export async function inputsOf(libtorch) {
  return fingerprint(
    [
      'native/core',
      'native/archive',
      'native/state',
      'native/search',
      'native/binding',
      'native/loader',
      'native/cuda',
      'native/portability',
      'CMakeLists.txt',
      'package-lock.json',
    ],
    [libtorch.dir, libtorch.version, versionOf(compiler), await findCudaToolkit()],
  );
}

function requireTools(generator) {
  const tools = ['cmake', compiler, ...(generator === 'Ninja' ? [] : ['make'])];
  const missing = tools.filter((tool) => versionOf(tool) === null);
  if (missing.length > 0)
    throw new Problem(`The native build needs what is not on PATH: ${missing.join(', ')}.`, toolFixes);
}

/** @param {string} tool a program, with arguments where CXX has some (`ccache g++`) */
function versionOf(tool) {
  const [program, ...args] = tool.split(' ');
  return outputOf(program, [...args, '--version']);
}

/** CMake refuses a cache made in another place or for another generator: a moved checkout, a ninja installed since. */
function removeUnusableCache(buildDir, generator) {
  const cacheFile = cacheOf(buildDir);
  if (!existsSync(cacheFile)) return;
  const cache = readFileSync(cacheFile, 'utf8').split('\n');
  const usable = [`CMAKE_HOME_DIRECTORY:INTERNAL=${root}`, `CMAKE_GENERATOR:INTERNAL=${generator}`];
  if (!usable.every((line) => cache.includes(line))) rmSync(buildDir, { recursive: true });
}

/** A cache that a failure left would bring it back: it keeps the compiler, also one that does not work. */
function configure(buildDir, args) {
  try {
    cmakeJs(['configure', ...args]);
  } catch (error) {
    rmSync(buildDir, { recursive: true, force: true });
    throw error;
  }
}

function cmakeJs(args) {
  run(process.execPath, [cmakeJsProgram(), ...args, '--directory', root]);
}

function cmakeJsProgram() {
  const require = createRequire(path.join(root, 'package.json'));
  try {
    require.resolve('node-addon-api/package.json');
    return path.join(path.dirname(require.resolve('cmake-js/package.json')), 'bin', 'cmake-js');
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error;
    throw new Problem('The native build needs the packages cmake-js and node-addon-api.', [
      'in a checkout: run `npm ci`',
      'beside an installed nacue: run `npm install cmake-js@8 node-addon-api@8`',
    ]);
  }
}
