import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { checkout, filesBelow, isBinary, unpacked } from './packed.js';

interface Component {
  'bom-ref': string;
  type: string;
  name: string;
  version?: string;
  licenses?: unknown[];
  hashes?: { alg: string; content: string }[];
  properties?: { name: string; value: string }[];
}

interface BillOfMaterials {
  bomFormat: string;
  specVersion: string;
  serialNumber: string;
  version: number;
  metadata: { timestamp: string; component: Component };
  components: Component[];
  dependencies: { ref: string; dependsOn: string[] }[];
}

const packageJson = JSON.parse(fs.readFileSync(path.join(unpacked, 'package.json'), 'utf8'));

function runScript(name: string, ...args: string[]): string {
  const script = path.join(checkout, 'scripts', name);
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' });
  assert.equal(status, 0, stdout + stderr);
  return stdout;
}

describe('the bill of materials', () => {
  let bom: BillOfMaterials;
  before(() => {
    bom = JSON.parse(runScript('sbom.mjs')) as BillOfMaterials;
  });
  const propertyOf = (component: Component | undefined, name: string) =>
    component?.properties?.find((property) => property.name === name)?.value;
  const named = (name: string) => bom.components.filter((component) => component.name === name);

  it('is CycloneDX with all that the format requires', () => {
    assert.equal(bom.bomFormat, 'CycloneDX');
    assert.match(bom.specVersion, /^1\.[5-9]$/);
    assert.match(bom.serialNumber, /^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.ok(Number.isInteger(bom.version) && bom.version >= 1);
    assert.ok(!Number.isNaN(Date.parse(bom.metadata.timestamp)));
    for (const { type, name } of [bom.metadata.component, ...bom.components]) {
      assert.ok(['application', 'framework', 'library', 'file'].includes(type) && name !== '', `${type} ${name}`);
    }
    for (const { name, hashes = [] } of bom.components) {
      for (const { alg, content } of hashes) {
        assert.match(content, { 'SHA-256': /^[0-9a-f]{64}$/, 'SHA-512': /^[0-9a-f]{128}$/ }[alg] ?? /never/, name);
      }
    }
  });

  it('names each part once, and refers to nothing that it does not name', () => {
    const refs = [bom.metadata.component, ...bom.components].map((component) => component['bom-ref']);
    assert.equal(new Set(refs).size, refs.length);
    const nodes = bom.dependencies.map(({ ref }) => ref);
    assert.deepEqual(nodes.toSorted(), refs.toSorted());
    for (const { ref, dependsOn } of bom.dependencies) {
      for (const target of dependsOn) assert.ok(refs.includes(target), `${ref} -> ${target}`);
    }
  });

  it('is about this package and its npm dependencies', () => {
    const { name, version } = bom.metadata.component;
    assert.deepEqual([name, version], [packageJson.name, packageJson.version]);
    // Of some there are others beside it, which come with vega.
    for (const dependency of Object.keys({ ...packageJson.dependencies, ...packageJson.optionalDependencies })) {
      const installed = path.join(checkout, 'node_modules', dependency, 'package.json');
      const { version: needed } = JSON.parse(fs.readFileSync(installed, 'utf8')) as { version: string };
      assert.equal(named(dependency).filter((part) => part.version === needed).length, 1, dependency);
    }
    for (const tool of Object.keys(packageJson.devDependencies)) {
      const parts = named(tool).filter((part) => propertyOf(part, 'nacue:compiled-in') !== 'true');
      assert.deepEqual(parts, [], tool);
    }
  });

  it('has each binary of the tarball with its hash, compiler and LibTorch', () => {
    const shipped = filesBelow(unpacked).filter(isBinary);
    const files = bom.components.filter(({ type }) => type === 'file');
    assert.deepEqual(files.map(({ name }) => name).sort(), shipped);
    for (const file of files) {
      const sha256 = createHash('sha256')
        .update(fs.readFileSync(path.join(unpacked, file.name)))
        .digest('hex');
      assert.deepEqual(file.hashes, [{ alg: 'SHA-256', content: sha256 }], file.name);
      assert.match(propertyOf(file, 'nacue:compiler') ?? '', /^GCC .*\d+\.\d+\.\d+$/);
      assert.equal(propertyOf(file, 'nacue:libtorch-minor'), /libtorch-(\d+\.\d+)/.exec(file.name)?.[1]);
    }
  });

  it('says of LibTorch that it is needed and not shipped', () => {
    const minors = filesBelow(unpacked).flatMap((file) => /^prebuilds\/libtorch-(\d+\.\d+)/.exec(file)?.[1] ?? []);
    const needed = named('LibTorch');
    assert.deepEqual(needed.map(({ version }) => version).sort(), [...new Set(minors)]);
    for (const libtorch of needed) assert.equal(propertyOf(libtorch, 'nacue:shipped'), 'false');
  });

  it('gives a licence and a version for everything that is compiled in', () => {
    const parts = bom.components.filter((part) => propertyOf(part, 'nacue:compiled-in') === 'true');
    assert.ok(parts.length >= 3);
    for (const { name, version, licenses } of parts) assert.ok(licenses?.length === 1 && version, name);
  });
});

describe('THIRD_PARTY_LICENSES.md', () => {
  const page = fs.readFileSync(path.join(unpacked, 'THIRD_PARTY_LICENSES.md'), 'utf8');

  it('is what its script writes', () => {
    runScript('licenses.mjs', '--check');
    assert.equal(page, fs.readFileSync(path.join(checkout, 'THIRD_PARTY_LICENSES.md'), 'utf8'));
  });

  it('has the text for everything that is compiled in', () => {
    for (const title of ['node-addon-api', 'node-api-headers', 'LibTorch headers', 'GCC runtime libraries']) {
      assert.ok(page.includes(`\n## ${title}\n`), title);
    }
    for (const phrase of [
      /Permission is hereby granted, free of charge/,
      /Soumith Chintala/,
      /GCC RUNTIME LIBRARY EXCEPTION/,
    ]) {
      assert.match(page, phrase);
    }
  });
});
