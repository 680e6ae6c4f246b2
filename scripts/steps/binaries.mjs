/** Step: do the addons run on every system that LibTorch runs on? */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { outputOf } from './command.mjs';
import { Problem, say } from './project.mjs';

// LibTorch's own floor: glibc 2.28, and the libstdc++ and libgcc_s that came with it (GCC 8).
const newestVersions = { GLIBC: '2.28', GLIBCXX: '3.4.25', CXXABI: '1.3.11', GCC: '7.0.0' };
const allowedLibraries = [
  /^libtorch_cpu\.so$/,
  /^libc10\.so$/,
  /^lib(stdc\+\+|c|m|pthread|dl)\.so\.\d$/,
  /^libgcc_s\.so\.1$/,
  /^ld-linux.*\.so\.\d$/,
];
const namesShown = 4;
const allowedExports = new Set([
  'napi_register_module_v1',
  'node_api_module_get_api_version_v1',
  'nacue_pass_graph_functions',
]);

// readelf's table of dynamic symbols: number, value, size, type, binding, visibility, section, name@version.
const globalSymbol = /^ +\d+: [0-9a-f]+ (?!.* LOCAL ).* DEFAULT +(?:\[.*\] +)?(\S+) ([^\s@]+)(?:@+(\S+))?/gm;

/**
 * @typedef {{ name: string, version: string | undefined }} Import
 * @typedef {object} Requirements
 * @property {string[]} libraries
 * @property {string[]} searchPaths
 * @property {string[]} versions
 * @property {Import[]} imports
 * @property {string[]} exports
 */

/** Prints a summary of each addon for Linux below a folder. @param {string} folder */
export function checkBinaries(folder) {
  const files = addonsIn(folder);
  if (files.length === 0) {
    throw new Problem(`There are no binaries for Linux in ${folder}.`, ['make them: `npm run prebuild`']);
  }
  const findings = files.flatMap((file) => {
    const requirements = requirementsOf(file);
    print(file, requirements);
    return [...excessesOf(requirements), ...mixUpsOf(file)].map((excess) => `  - ${file} ${excess}`);
  });
  if (findings.length === 0) return;
  const title = 'These binaries would not run on every system that LibTorch runs on:';
  throw new Problem([title, ...findings].join('\n'), [
    'a symbol with an older version: name that in native/portability/symbol_versions.h',
    'a symbol without one: define it in native/portability/own_definitions.cc, or do without it',
  ]);
}

function addonsIn(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true })
    .filter((name) => /(^|\/)linux-[^/]+\/[^/]+\.(node|so)$/.test(name))
    .sort()
    .map((name) => path.join(folder, name));
}

/** @returns {Requirements} */
function requirementsOf(file) {
  const text = outputOf('readelf', ['--wide', '--dynamic', '--dyn-syms', '--version-info', file]);
  if (text === null)
    throw new Problem(`readelf cannot read ${file}, or is not there: it comes with a compiler (binutils).`);
  const symbols = [...text.matchAll(globalSymbol)].map(([, section, name, version]) => {
    return { name, version, isImport: section === 'UND' };
  });
  return {
    libraries: matchesOf(text, /\(NEEDED\).*\[(.*)\]/g),
    searchPaths: matchesOf(text, /\((?:RPATH|RUNPATH)\).*\[(.*)\]/g),
    versions: matchesOf(text, /Name: (\S+) +Flags:/g),
    imports: symbols.filter(({ isImport }) => isImport),
    exports: symbols.filter(({ isImport }) => !isImport).map(({ name }) => name),
  };
}

function matchesOf(text, pattern) {
  return [...text.matchAll(pattern)].map(([, match]) => match);
}

function print(file, { libraries, searchPaths, versions, exports }) {
  say('binary', `${file}, ${(statSync(file).size / 1e6).toFixed(2)} MB`);
  say('  libraries', libraries.join(' '));
  say('  search paths', searchPaths.join(' ') || 'none');
  say('  symbol versions', newestOfEach(versions).join(' '));
  say('  exports', list(exports));
}

function newestOfEach(versions) {
  const sorted = [...versions].sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
  return sorted.filter((version, i) => sorted.findIndex((other) => family(other) === family(version)) === i);
}

/** @param {Requirements} requirements */
function excessesOf({ libraries, searchPaths, versions, imports, exports }) {
  const symbolsOf = (version) => imports.filter((symbol) => symbol.version === version).map(({ name }) => name);
  const foreign = exports.filter((name) => !allowedExports.has(name));
  return [
    ...versions
      .filter(isTooNew)
      .map((version) => `needs ${version} for ${list(symbolsOf(version)) || 'all of it'}${limitOf(version)}`),
    ...libraries
      .filter((library) => !allowedLibraries.some((pattern) => pattern.test(library)))
      .map((library) => `needs ${library}, which neither LibTorch nor Node.js brings along`),
    ...searchPaths.map((searchPath) => `looks for libraries in ${searchPath}, a folder of the machine that built it`),
    ...(foreign.length > 0 ? [`exports ${list(foreign)}: other libraries would use these instead of their own`] : []),
  ];
}

/** The first of many. */
function list(names) {
  const rest = names.length - namesShown;
  return [...names.slice(0, namesShown), ...(rest > 0 ? [`${rest} more`] : [])].join(', ');
}

/** A binary says what it was built for, and lib/addon/binaries.ts goes by that or by the folder's name. */
function mixUpsOf(file) {
  const minor = file.match(/libtorch-(\d+\.\d+)\/prebuilds\//)?.[1];
  if (minor === undefined || readFileSync(file, 'latin1').includes(`nacue built for LibTorch ${minor}.`)) return [];
  return [`does not say that it was built for LibTorch ${minor}`];
}

function isTooNew(version) {
  const newest = newestVersions[family(version)];
  return newest === undefined || numbers(version).localeCompare(newest, 'en', { numeric: true }) > 0;
}

function limitOf(version) {
  const newest = newestVersions[family(version)];
  return newest === undefined ? '' : ` (at most ${family(version)}_${newest})`;
}

/** `GLIBC_2.28` is version 2.28 of GLIBC; names without a number are families of their own. */
function family(version) {
  return version.replace(/_[\d.]+$/, '');
}

function numbers(version) {
  return version.slice(family(version).length + 1);
}
