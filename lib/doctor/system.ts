import fs from 'node:fs';
import path from 'node:path';
import { cLibrary, knownSystems } from '../addon/platform.js';
import { compareVersions } from '../compare-versions.js';
import { packageRoot } from '../package.js';
import { ok, problem } from './check.js';
import type { Check, SystemFacts } from './diagnosis.js';

const oldestGlibc = '2.28';

export function systemFacts(): SystemFacts {
  const { platform, arch, versions } = process;
  const library = platform === 'linux' ? cLibrary() : null;
  const cLibraryVersion = library === 'glibc' ? glibcVersion() : null;
  return { node: versions.node, oldestNode: oldestNode(), platform, arch, cLibrary: library, cLibraryVersion };
}

export function systemChecks(facts: SystemFacts): Check[] {
  const checks = [nodeCheck(facts), platformCheck(facts)];
  return facts.cLibrary === null ? checks : [...checks, cLibraryCheck(facts)];
}

function nodeCheck({ node, oldestNode }: SystemFacts): Check {
  const needed = `${oldestNode} or newer`;
  return compareVersions(node, oldestNode) < 0
    ? problem('system', 'Node.js', `${node}, nacue needs ${needed}`, `install Node.js ${needed}`)
    : ok('system', 'Node.js', `${node} (${needed} is needed)`);
}

function platformCheck({ platform, arch }: SystemFacts): Check {
  const system = `${platform} ${arch}`;
  return knownSystems.includes(system)
    ? ok('system', 'platform', system)
    : problem(
        'system',
        'platform',
        `${system}, where nacue does not run`,
        'run it on Linux x64, for example in a container',
      );
}

function cLibraryCheck({ cLibrary, cLibraryVersion }: SystemFacts): Check {
  const fix = `use a system or an image with glibc ${oldestGlibc} or newer, for example node:22-slim`;
  if (cLibrary !== 'glibc') return problem('system', 'C library', 'musl, LibTorch needs glibc', fix);
  if (cLibraryVersion === null) return ok('system', 'C library', 'glibc');
  return compareVersions(cLibraryVersion, oldestGlibc) < 0
    ? problem('system', 'C library', `glibc ${cLibraryVersion}, LibTorch needs ${oldestGlibc}`, fix)
    : ok('system', 'C library', `glibc ${cLibraryVersion} (${oldestGlibc} or newer is needed)`);
}

function oldestNode(): string {
  const manifest = path.join(packageRoot() ?? '', 'package.json');
  const { engines } = JSON.parse(fs.readFileSync(manifest, 'utf8')) as { engines: { node: string } };
  return engines.node.replace('>=', '');
}

function glibcVersion(): string | null {
  const { report } = process;
  const before = report as typeof report & { excludeNetwork?: boolean };
  const { excludeNetwork = false } = before;
  // Else the report looks up the names of all connections, which can take seconds.
  before.excludeNetwork = true;
  const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } };
  before.excludeNetwork = excludeNetwork;
  return header?.glibcVersionRuntime ?? null;
}
