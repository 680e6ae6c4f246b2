/**
 * Holds the layout together; prints one line per finding and fails when there is one.
 *
 * - native/core and native/cuda know no Node.js, native/loader no LibTorch, native/state neither, however many headers lie between.
 * - What C++ registers and what lib/addon/binding.ts types are the same names.
 * - No file or folder is called utils, helpers, common, misc or manager.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { root } from './steps/project.mjs';

const layers = [
  { folder: 'native/core', forbidden: /^(napi|node_api|js_native_api|node|v8|uv)\.h$/ },
  { folder: 'native/archive', forbidden: /^(napi|node_api|js_native_api|node|v8|uv)\.h$/ },
  { folder: 'native/cuda', forbidden: /^(napi|node_api|js_native_api|node|v8|uv)\.h$/ },
  { folder: 'native/state', forbidden: /^((napi|node_api|js_native_api|node|v8|uv)\.h$|(ATen|c10|torch)\/)/ },
  { folder: 'native/search', forbidden: /^(napi|node_api|js_native_api|node|v8|uv)\.h$/ },
  { folder: 'native/fuzz', forbidden: /^(napi|node_api|js_native_api|node|v8|uv)\.h$/ },
  { folder: 'native/loader', forbidden: /^(ATen|c10|torch)\// },
];
const contracts = [
  { folder: 'native/binding', registration: /InstanceMethod(?:<[^>]*>)?\(\s*"(\w+)"/g, typedBy: 'NativeDetector' },
  { folder: 'native/binding', registration: /exports\.Set\(\s*"(\w+)"/g, typedBy: 'NativeBinding' },
  { folder: 'native/loader', registration: /exports\.Set\(\s*"(\w+)"/g, typedBy: 'NativeLoader' },
];
const bindingFile = 'lib/addon/binding.ts';
const namedFolders = ['bench', 'docs', 'examples', 'gpu-check', 'lib', 'native', 'python', 'scripts', 'test'];
const emptyNames = new Set(['util', 'utils', 'helper', 'helpers', 'common', 'misc', 'manager', 'managers']);

const findings = [
  ...layers.flatMap(({ folder, forbidden }) => filesIn(folder).flatMap((file) => forbiddenIncludes(file, forbidden))),
  ...contracts.flatMap(driftOf),
  ...namedFolders.flatMap((folder) =>
    pathsIn(folder)
      .filter(isEmptyName)
      .map((name) => `${name}: the name says nothing`),
  ),
];
for (const finding of findings) console.error(finding);
if (findings.length > 0) process.exitCode = 1;

/** The chains of #include from a file to a header it must not reach. */
function forbiddenIncludes(start, forbidden) {
  const found = [];
  const seen = new Set([start]);
  const chains = [[start]];
  for (let chain = chains.pop(); chain; chain = chains.pop()) {
    const file = chain.at(-1);
    for (const [, header] of textOf(file).matchAll(/^\s*#\s*include\s*["<]([^">]+)[">]/gm)) {
      const target = [path.posix.join(path.posix.dirname(file), header), `native/${header}`].find(isFile);
      if (!target) {
        if (forbidden.test(header)) found.push(`${[...chain, header].join(' -> ')}: not allowed here`);
      } else if (!seen.has(target)) {
        seen.add(target);
        chains.push([...chain, target]);
      }
    }
  }
  return found;
}

function driftOf({ folder, registration, typedBy }) {
  const native = new Set(
    filesIn(folder).flatMap((file) => [...textOf(file).matchAll(registration)].map((hit) => hit[1])),
  );
  const typed = new Set(membersOf(typedBy));
  return [
    ...[...native]
      .filter((name) => !typed.has(name))
      .map((name) => `${folder}: ${name} is not in ${typedBy} (${bindingFile})`),
    ...[...typed]
      .filter((name) => !native.has(name))
      .map((name) => `${bindingFile}: ${typedBy}.${name} is not in ${folder}`),
  ];
}

function membersOf(interfaceName) {
  const source = ts.createSourceFile(bindingFile, textOf(bindingFile), ts.ScriptTarget.Latest);
  const declared = source.statements.find(
    (node) => ts.isInterfaceDeclaration(node) && node.name.text === interfaceName,
  );
  if (!declared) throw new Error(`${bindingFile} has no interface ${interfaceName}`);
  return declared.members.map((member) => member.name.text);
}

function isEmptyName(name) {
  return path
    .basename(name)
    .toLowerCase()
    .split(/[-_.]/)
    .some((word) => emptyNames.has(word));
}

function filesIn(folder) {
  return pathsIn(folder).filter(isFile);
}

function pathsIn(folder) {
  if (!existsSync(path.join(root, folder))) return [];
  return readdirSync(path.join(root, folder), { recursive: true }).map((name) => path.posix.join(folder, name));
}

function isFile(name) {
  const entry = path.join(root, name);
  return existsSync(entry) && statSync(entry).isFile();
}

function textOf(file) {
  return readFileSync(path.join(root, file), 'utf8');
}
