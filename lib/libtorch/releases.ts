/** The torch releases that can be fetched by their version. */
import { NacueError } from '../errors.js';
import { explainFailure } from '../load-failure.js';
import { generated } from './releases.generated.js';

/** A file on PyPI. */
export interface Wheel {
  project: string;
  version: string;
  file: string;
  sha256: string;
  size: number;
  /** Bytes on disk of what is kept of it. */
  unpacked: { cpu: number; cuda: number };
}

/** Names of wheels; CUDA needs those of the CPU part and its own. */
export interface Release {
  cpu: readonly string[];
  cuda: readonly string[];
}

export interface ReleaseTable {
  /** By platform, for example `linux-x64`, and version. */
  releases: Readonly<Record<string, Readonly<Record<string, Release>>>>;
  wheels: readonly Wheel[];
}

/** What has to be fetched for one install. */
export interface PinnedRelease {
  version: string;
  wheels: Wheel[];
  downloadBytes: number;
  diskBytes: number;
}

/** The version that the numbers are compared on with pytorch-ood. */
export const defaultVersion = '2.11.0';

export const knownReleases: ReleaseTable = generated;

/** The versions for this platform, oldest first. */
function knownVersions(table: ReleaseTable = knownReleases): string[] {
  return Object.keys(releasesHere(table));
}

/**
 * Finds a release; `2.14` means the newest 2.14.x.
 *
 * @throws NacueError `ERR_NACUE_LIBTORCH_VERSION` for another version, `ERR_NACUE_PLATFORM` when none is for here.
 */
export function findRelease(wanted: string, cuda: boolean, table: ReleaseTable): PinnedRelease {
  const versions = knownVersions(table);
  const version = versions.findLast((known) => known === wanted || known.startsWith(`${wanted}.`));
  const release = version === undefined ? undefined : releasesHere(table)[version];
  if (version === undefined || !release) throw unknownVersion(wanted, versions);
  const names = new Set([...release.cpu, ...(cuda ? release.cuda : [])]);
  const wheels = table.wheels.filter(({ file }) => names.has(file)).sort((a, b) => a.size - b.size);
  const sum = (size: (wheel: Wheel) => number) => wheels.reduce((bytes, wheel) => bytes + size(wheel), 0);
  return {
    version,
    wheels,
    downloadBytes: sum(({ size }) => size),
    diskBytes: sum(({ unpacked }) => (cuda ? unpacked.cuda : unpacked.cpu)),
  };
}

/** Where PyTorch publishes LibTorch for the CPU as one file, which needs no Python. */
export function officialArchive(version: string): string {
  return `https://download.pytorch.org/libtorch/cpu/libtorch-shared-with-deps-${version}%2Bcpu.zip`;
}

function releasesHere(table: ReleaseTable): Readonly<Record<string, Release>> {
  const platform = `${process.platform}-${process.arch}`;
  const releases = table.releases[platform];
  if (releases) return releases;
  throw new NacueError(
    'ERR_NACUE_PLATFORM',
    `no LibTorch is known for ${platform}, only for ${Object.keys(table.releases).join(', ')}`,
  );
}

function unknownVersion(wanted: string, versions: readonly string[]): NacueError {
  return new NacueError(
    'ERR_NACUE_LIBTORCH_VERSION',
    explainFailure(
      `LibTorch ${wanted} is none that nacue can fetch by its version.`,
      [],
      [
        `choose one of ${versions.join(', ')}`,
        'install an archive of it: `npx nacue libtorch install --from URL|FILE`',
      ],
    ),
  );
}
