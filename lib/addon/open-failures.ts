/** The errors of open.ts: what could not be opened, why, and what to do about it. */
import path from 'node:path';
import { NacueError } from '../errors.js';
import { missingLibraries } from '../libtorch/missing-libraries.js';
import type { LibTorch } from '../libtorch/search.js';
import { explainFailure } from '../load-failure.js';
import { buildCommand, installCommand } from '../package.js';

export function loadFailed(file: string, reason: string, libtorch: LibTorch, cause?: unknown): NacueError {
  const missing = missingLibraries(file);
  const lack = missing.length > 0 ? `: these libraries are missing: ${missing.join(', ')}.` : '.';
  const message = explainFailure(
    `nacue cannot open its native part${lack}`,
    [
      { place: `${libtorch.source}, ${libtorch.dir}`, result: `LibTorch ${libtorch.version}` },
      { place: file, result: reason.trim().split('\n')[0] ?? reason },
    ],
    file.startsWith(libtorch.dir)
      ? libtorchFixes(libtorch, missing)
      : [`${buildCommand()}: it builds nacue for this system`],
  );
  return new NacueError('ERR_NACUE_LOAD_FAILED', message, { detail: reason, cause });
}

/** What makes a LibTorch complete depends on where it comes from. */
function libtorchFixes({ source }: LibTorch, missing: readonly string[]): string[] {
  const install = `${installCommand()}: it fetches a complete LibTorch`;
  if (source === 'cache') return [`${install} in place of this one`];
  if (source === 'NACUE_LIBTORCH') {
    return [
      'set NACUE_LIBTORCH to a complete LibTorch: what lies beside its torch/ folder belongs to it',
      `unset NACUE_LIBTORCH and ${install}`,
    ];
  }
  const isCudaRuntime = missing.some((name) => /^lib(cudart|cupti)/.test(name));
  const pip = 'run `python3 -m pip install nvidia-cuda-runtime nvidia-cuda-cupti` for the Python whose torch this is';
  return [...(isCudaRuntime ? [pip] : []), install];
}

export function otherLibTorch(libtorch: LibTorch, file: string): NacueError {
  const isGone = file.endsWith(' (deleted)');
  const message = explainFailure(
    'another LibTorch is open in this process already; two of them cannot live side by side.',
    [
      { place: 'open in this process', result: file },
      { place: `${libtorch.source}, ${libtorch.dir}`, result: `LibTorch ${libtorch.version}` },
    ],
    [
      isGone
        ? 'start the process anew: the files of its LibTorch were replaced'
        : `set NACUE_LIBTORCH=${path.dirname(path.dirname(file))} so that nacue uses the same one`,
      'run nacue in a process of its own (node:child_process), not in a worker thread of this one',
    ],
  );
  return new NacueError('ERR_NACUE_LIBTORCH_CONFLICT', message);
}
