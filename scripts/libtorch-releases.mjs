/**
 * Writes lib/libtorch/releases.generated.ts anew: the wheels of every torch that nacue knows, their hashes and sizes.
 *
 * Asks a package index (`--index URL`, PyPI without it) by its JSON interface, and reads the directories and metadata of
 * the wheels where they lie. Compile lib/ first: what of a wheel is kept is decided there.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import yauzl from 'yauzl';
import { main, Problem, root, say } from './steps/project.mjs';

const oldest = '2.11.0';
const platforms = { 'linux-x64': /manylinux[^-]*_x86_64\.whl$/ };
const pythonTag = 'cp312';
// What the CPU part of the CUDA build opens: libcudart and libcupti.
const cpuExtras = ['cudart', 'cupti'];
const directoryBytes = 2 ** 23;

const { index } = parseArgs({ options: { index: { type: 'string', default: 'https://pypi.org/simple' } } }).values;
const { placeForCpu, placeForCuda } = await import(path.join(root, 'dist', 'libtorch', 'wheel-parts.js'));
const projects = new Map();

await main(async () => {
  const torch = await filesOf('torch');
  const versions = [...new Set(torch.map(({ version }) => version))]
    .filter((version) => /^\d+\.\d+\.\d+$/.test(version) && compare(version, oldest) >= 0)
    .sort(compare);
  const wheels = {};
  const releases = {};
  for (const version of versions) {
    for (const [platform, pattern] of Object.entries(platforms)) {
      say('releases', `torch ${version} for ${platform}`);
      const parts = await partsOf(version, pattern);
      for (const wheel of [...parts.cpu, ...parts.cuda]) wheels[wheel.file] ??= await describe(wheel);
      releases[platform] ??= {};
      releases[platform][version] = {
        cpu: parts.cpu.map(({ file }) => file),
        cuda: [...new Set(parts.cuda.map(({ file }) => file))],
      };
    }
  }
  write(wheels, releases);
});

/** The wheels of the CPU part, and those that CUDA needs besides. */
async function partsOf(version, pattern) {
  const torch = await wheelOf('torch', [['==', version]], pattern);
  const required = await requirementsOf(torch);
  const toolkit = required.find(({ project }) => project === 'cuda-toolkit');
  if (!toolkit)
    throw new Problem(`torch ${version} does not ask for cuda-toolkit: this script has to learn how it gets CUDA.`);
  const pinned = await requirementsOf(await wheelOf('cuda-toolkit', toolkit.range, /-any\.whl$/));
  const ofToolkit = (extras) =>
    pinned.filter(({ marker }) => extras.includes(marker.match(/extra == ['"](\w+)['"]/)?.[1]));
  const wheelsOf = (requirements) =>
    Promise.all(requirements.map(({ project, range }) => wheelOf(project, range, pattern)));
  const cpu = [torch, ...(await wheelsOf(ofToolkit(cpuExtras)))];
  const others = required.filter(({ project }) => project.startsWith('nvidia-'));
  const extras = toolkit.extras.filter((extra) => !cpuExtras.includes(extra));
  return { cpu, cuda: await wheelsOf([...ofToolkit(extras), ...others]) };
}

/** The newest wheel in a range. */
async function wheelOf(project, range, pattern) {
  const candidates = (await filesOf(project))
    .filter(({ file, version }) => pattern.test(file) && range.every((bound) => satisfies(version, bound)))
    .filter(({ file }) => file.includes(`-${pythonTag}-${pythonTag}-`) || file.includes('py3-none-'))
    .sort((a, b) => compare(b.version, a.version));
  if (!candidates[0]) throw new Problem(`${index} has no wheel of ${project} ${range.flat().join(' ')}.`);
  return candidates[0];
}

async function filesOf(project) {
  if (!projects.has(project)) projects.set(project, readProject(project));
  return projects.get(project);
}

async function readProject(project) {
  const page = new URL(`${index}/${project}/`);
  const response = await get(page, { Accept: 'application/vnd.pypi.simple.v1+json' });
  const { files } = await response.json();
  return files
    .filter(({ filename, yanked }) => /^\w+-[\d.]+-.*\.whl$/.test(filename) && !yanked)
    .map(({ filename, hashes, size, url }) => ({
      project,
      version: filename.split('-')[1],
      file: filename,
      sha256: hashes.sha256,
      size,
      url: new URL(url, page),
    }));
}

/** `Requires-Dist` of a wheel: project, extras asked of it, range of versions, marker. */
async function requirementsOf(wheel) {
  const zip = await openWheel(wheel);
  const entries = await entriesOf(zip);
  const entry = entries.find(({ fileName }) => /^[^/]+\.dist-info\/METADATA$/.test(fileName));
  const metadata = await text(await zip.openReadStreamPromise(entry));
  return [...metadata.matchAll(/^Requires-Dist: ([\w-]+)(?:\[([^\]]*)\])?\s*([^;\n]*)(?:;(.*))?$/gm)].map(
    ([, project, extras = '', range, marker = '']) => ({
      project,
      extras: extras.split(',').map((extra) => extra.trim()),
      range: [...range.matchAll(/([<>=!~]=?)\s*([\w.*]+)/g)].map(([, operator, version]) => [operator, version]),
      marker,
    }),
  );
}

function satisfies(version, [operator, bound]) {
  if (operator === '==' && bound.endsWith('.*')) return `${version}.`.startsWith(bound.slice(0, -1));
  const order = compare(version, bound);
  const verdicts = { '==': order === 0, '<=': order <= 0, '>=': order >= 0, '<': order < 0, '>': order > 0 };
  if (!(operator in verdicts)) throw new Problem(`This script does not know the requirement ${operator}${bound}.`);
  return verdicts[operator];
}

/** Zeros at the end say nothing: 13.0.3 and 13.0.3.0 are one version. */
function compare(a, b) {
  const [left, right] = [a, b].map((version) => version.replace(/(\.0)+$/, ''));
  return left.localeCompare(right, 'en', { numeric: true });
}

async function describe(wheel) {
  const entries = await entriesOf(await openWheel(wheel));
  const kept = (place) =>
    entries
      .filter(({ fileName }) => place(fileName) !== null)
      .reduce((bytes, { uncompressedSize }) => bytes + uncompressedSize, 0);
  const { project, version, file, sha256, size } = wheel;
  return { project, version, file, sha256, size, unpacked: { cpu: kept(placeForCpu), cuda: kept(placeForCuda) } };
}

async function entriesOf(zip) {
  const entries = [];
  for await (const entry of zip.eachEntry()) if (!entry.fileName.endsWith('/')) entries.push(entry);
  return entries;
}

/** Reads a wheel where it lies. A zip file has its directory at the end, which therefore is fetched at once. */
async function openWheel({ url, size }) {
  const bytesOf = async (from, to) =>
    Buffer.from(await (await get(url, { Range: `bytes=${from}-${to - 1}` })).arrayBuffer());
  const endStart = Math.max(0, size - directoryBytes);
  const end = await bytesOf(endStart, size);
  class Reader extends yauzl.RandomAccessReader {
    _readStreamForRange(from, to) {
      if (from >= endStart) return Readable.from(end.subarray(from - endStart, to - endStart));
      return Readable.from(inPieces(bytesOf(from, to)));
    }
  }
  return yauzl.fromRandomAccessReaderPromise(new Reader(), size, { autoClose: false });
}

async function* inPieces(bytes) {
  yield await bytes;
}

async function get(url, headers = {}) {
  const response = await fetch(url, { headers });
  if (!response.ok) throw new Problem(`${url} answers ${response.status}.`);
  return response;
}

function write(wheels, releases) {
  const file = path.join(root, 'lib', 'libtorch', 'releases.generated.ts');
  const lines = [
    '/** Made by `node scripts/libtorch-releases.mjs`: the wheels on PyPI, and which of them a release needs. */',
    "import type { ReleaseTable } from './releases.js';",
    '',
    `export const generated: ReleaseTable = ${JSON.stringify({ releases, wheels: Object.values(wheels) }, null, 2)};`,
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const biome = path.join(root, 'node_modules', '.bin', 'biome');
  const { status } = spawnSync(biome, ['check', '--write', file], { cwd: root, stdio: 'inherit' });
  if (status !== 0) throw new Problem('biome cannot format what was written.');
  say('releases', `wrote ${path.relative(root, file)}`);
}
