/** What to do when LibTorch cannot be fetched, or is no good when it has come. */
import { NacueError } from '../errors.js';
import { explainFailure, type Finding } from '../load-failure.js';
import { officialArchive } from './releases.js';

export interface FetchFailure {
  problem: string;
  findings?: readonly Finding[];
  fixes: readonly string[];
  detail?: string;
  cause?: unknown;
}

export function fetchFailure({ problem, findings = [], fixes, detail, cause }: FetchFailure): NacueError {
  return new NacueError('ERR_NACUE_LIBTORCH_FETCH', explainFailure(problem, findings, fixes), { detail, cause });
}

/** What was fetched, for the text of an error about it. */
export interface Fetched {
  title: string;
  fixes: readonly string[];
}

export function damaged({ title, fixes }: Fetched, problem: string, cause?: unknown): NacueError {
  return new NacueError('ERR_NACUE_LIBTORCH_DAMAGED', explainFailure(`${title} ${problem}.`, [], fixes), { cause });
}

/** Ways to a LibTorch without pip's index. */
export function otherWays(version: string, cuda: boolean): string[] {
  const command = `npx nacue libtorch install --from ${officialArchive(version)}`;
  const archive = `install the official archive: \`${command}\`, or a copy of that file`;
  return [
    ...(cuda ? [] : [archive]),
    'set NACUE_LIBTORCH to a LibTorch you have: a folder that holds lib/libtorch_cpu.so or torch/lib/libtorch_cpu.so',
    `put a Python with torch ${version} first on PATH: nacue uses its LibTorch`,
  ];
}
