/**
 * Prints the package's bill of materials, CycloneDX 1.5 as JSON: `node scripts/sbom.mjs [--output FILE]`
 *
 * npm's own list of the npm packages, and what npm does not know: the binaries in prebuilds/, what is compiled into them, and LibTorch,
 * which they need and the package does not have.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { outputOf } from './steps/command.mjs';
import { compiledIn } from './steps/compiled_in.mjs';
import { main, Problem, root } from './steps/project.mjs';

await main(() => {
  const { output } = parseArgs({ options: { output: { type: 'string' } } }).values;
  const text = `${JSON.stringify(billOfMaterials(), null, 2)}\n`;
  if (output) writeFileSync(output, text);
  else process.stdout.write(text);
});

function billOfMaterials() {
  const npm = outputOf('npm', ['sbom', '--sbom-format', 'cyclonedx', '--omit', 'dev']);
  if (npm === null) throw new Problem('`npm sbom` failed.', ['run `npm ci`, then this again']);
  const bom = JSON.parse(npm);
  const self = bom.metadata.component;
  self.name = 'nacue'; // npm takes the name of the folder

  const native = binaries().map(describeBinary);
  bom.components.push(...uniqueByRef(native.flatMap(({ binary, parts, libtorch }) => [binary, ...parts, ...libtorch])));
  for (const { binary, parts, libtorch } of native) {
    bom.dependencies.push({
      ref: binary['bom-ref'],
      dependsOn: [...parts, ...libtorch].map((part) => part['bom-ref']),
    });
  }
  const ofSelf = bom.dependencies.find(({ ref }) => ref === self['bom-ref']);
  ofSelf.dependsOn.push(...native.map(({ binary }) => binary['bom-ref']));
  const leaves = bom.components.filter((component) =>
    bom.dependencies.every(({ ref }) => ref !== component['bom-ref']),
  );
  bom.dependencies.push(...leaves.map((component) => ({ ref: component['bom-ref'], dependsOn: [] })));
  return bom;
}

function binaries() {
  const folder = path.join(root, 'prebuilds');
  const files = readdirSync(folder, { recursive: true }).filter((name) => /\.(node|so)$/.test(name));
  if (files.length === 0) throw new Problem('prebuilds/ holds no binaries.', ['run `npm run prebuild`']);
  return files.map((name) => path.posix.join('prebuilds', name)).sort();
}

/** A binary, what is compiled into it, and the LibTorch it runs on. */
function describeBinary(file) {
  const bytes = readFileSync(path.join(root, file));
  const text = bytes.toString('latin1');
  const gcc = text.match(/GCC: \([^)]*\) (\d+\.\d+\.\d+)/);
  if (!gcc) throw new Problem(`${file} does not say which compiler made it.`);
  const libtorch = text.match(/nacue built for LibTorch (\d+\.\d+)\.(\d+)/);
  const binary = {
    'bom-ref': file,
    type: 'file',
    name: file,
    hashes: [{ alg: 'SHA-256', content: createHash('sha256').update(bytes).digest('hex') }],
    licenses: [{ license: { id: 'MIT' } }],
    properties: [
      { name: 'nacue:compiler', value: gcc[0].replace(/^GCC: /, 'GCC ') },
      ...(libtorch ? [{ name: 'nacue:libtorch-minor', value: libtorch[1] }] : []),
    ],
  };
  const versions = { gcc: gcc[1], libtorch: libtorch && `${libtorch[1]}.${libtorch[2]}` };
  const [stem] = path.basename(file).split('.');
  const parts = compiledIn()
    .filter(({ binaries }) => binaries.includes(stem))
    .map((part) => describePart(part, versions));
  return { binary, parts, libtorch: libtorch ? [neededLibTorch(libtorch[1])] : [] };
}

function describePart({ name, what, license, url, version, comesWith }, versions) {
  const partVersion = version ?? versions[comesWith];
  return {
    'bom-ref': `${name}@${partVersion}`,
    type: 'library',
    name,
    version: partVersion,
    description: what,
    scope: 'required',
    licenses: [{ expression: license }],
    externalReferences: [{ type: 'website', url }],
    properties: [{ name: 'nacue:compiled-in', value: 'true' }],
  };
}

function neededLibTorch(minor) {
  return {
    'bom-ref': `LibTorch@${minor}`,
    type: 'library',
    name: 'LibTorch',
    version: minor,
    description: 'Opened at run time; the user provides it. No part of the package.',
    scope: 'required',
    licenses: [{ license: { id: 'BSD-3-Clause' } }],
    externalReferences: [{ type: 'distribution', url: 'https://pypi.org/project/torch/' }],
    properties: [{ name: 'nacue:shipped', value: 'false' }],
  };
}

function uniqueByRef(components) {
  return [...new Map(components.map((component) => [component['bom-ref'], component])).values()];
}
