import { megabytes } from '../byte-size.js';
import type { InstallOptions, InstallPlan, InstallProgress } from '../libtorch/install.js';
import type { LibTorch } from '../libtorch/search.js';
import { defineCommand, type OptionValues } from './command.js';
import { exitCodes } from './exit-codes.js';
import { Progress } from './progress.js';
import { json, quiet } from './shared-options.js';
import { print, printJson, tell } from './terminal.js';

const options = {
  version: { kind: 'text', value: 'VERSION', summary: 'for example 2.15 or 2.15.0 (default: 2.11.0)' },
  cuda: { kind: 'flag', summary: 'with the CUDA part, for NVIDIA devices' },
  dir: { kind: 'text', value: 'DIR', summary: "a folder of your own instead of nacue's cache" },
  from: {
    kind: 'text',
    value: 'SOURCE',
    summary: 'an official LibTorch archive (.zip) by URL or file: needs no Python',
  },
  sha256: { kind: 'text', value: 'HASH', summary: 'what the archive must have' },
  quiet,
  json,
} as const;

export const libtorchInstall = defineCommand({
  name: 'install',
  summary: "fetch LibTorch into nacue's cache",
  options,
  examples: [
    { line: 'npx nacue libtorch install', summary: 'the CPU part, found by nacue from then on' },
    { line: 'npx nacue libtorch install --cuda', summary: 'all of it, for NVIDIA devices' },
    { line: 'npx nacue libtorch install --from libtorch.zip --dir /opt/libtorch', summary: 'offline, from a file' },
  ],
  async run({ options, signal }) {
    const { installLibTorch, planInstall } = await import('../libtorch/install.js');
    const { minorsWithBinary } = await import('./minors-with-binary.js');
    const request = requestOf(options);
    const plan = planInstall(request);
    if (!options.quiet) tell(announcement(plan));
    const progress = new Progress(options);
    const onProgress = (state: InstallProgress) => progress.update(state.phase, () => progressText(state));
    const libtorch = await installLibTorch({ ...request, signal, onProgress }).finally(() => {
      progress.end();
      if (signal.aborted) tell('files that have arrived whole are kept for the next time');
    });
    const hasBinary = minorsWithBinary().includes(libtorch.minor);
    if (!options.quiet) for (const line of nextSteps(libtorch, options.dir, hasBinary)) tell(line);
    if (options.json) printJson({ ...libtorch, hasBinary });
    else print(libtorch.dir);
    return exitCodes.ok;
  },
});

function requestOf({ version, cuda, dir, from, sha256 }: OptionValues<typeof options>): InstallOptions {
  return {
    cuda,
    ...(version !== undefined && { version }),
    ...(dir !== undefined && { dir }),
    ...(from !== undefined && { from }),
    ...(sha256 !== undefined && { sha256 }),
  };
}

function announcement({ name, dir, downloadBytes, diskBytes, present }: InstallPlan): string {
  if (present) return `LibTorch ${present.version} is in ${dir} already`;
  const sizes = [
    downloadBytes === null ? 'of unknown size' : `${megabytes(downloadBytes)} to download`,
    ...(diskBytes === null ? [] : [`${megabytes(diskBytes)} on disk`]),
  ];
  return `LibTorch ${name}, ${sizes.join(', ')}, goes into ${dir}`;
}

function progressText({ phase, done, total }: InstallProgress): string {
  if (phase === 'waiting') return 'waiting for the first byte';
  if (total === null) return `${phase} ${megabytes(done)}`;
  return `${phase} ${megabytes(done)} of ${megabytes(total)} (${Math.floor((100 * done) / Math.max(total, 1))} %)`;
}

function nextSteps({ minor, dir }: LibTorch, wantedDir: string | undefined, hasBinary: boolean): string[] {
  const variable = wantedDir === undefined ? [] : [`set NACUE_LIBTORCH=${dir} so that nacue uses it`];
  return hasBinary
    ? [...variable, `this nacue has a binary for LibTorch ${minor}`]
    : [
        ...variable,
        `this nacue has no binary for LibTorch ${minor}: run \`npx nacue build --libtorch ${dir}\` to make one`,
      ];
}
