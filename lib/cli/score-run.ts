/** What the scores of a run depend on, for --resume: another run must not go on with them. */
import { promises as fsp } from 'node:fs';
import path from 'node:path';
import type { Samples } from '../data/samples.js';
import { hashModel } from '../model.js';
import type { RunDescription } from '../outputs/run-journal.js';
import { readState } from '../state.js';
import { version } from '../version.js';
import { longFlag } from './option-text.js';
import type { ScoreValues } from './score.js';

/** They change nothing in the result, or what they name is described itself. */
const leftOut: readonly (keyof ScoreValues)[] = ['out', 'resume', 'quiet', 'state', 'allowModelMismatch'];

export async function describeRun(
  model: string,
  paths: readonly string[],
  options: ScoreValues,
  samples: Samples,
): Promise<RunDescription> {
  const { createHash } = await import('node:crypto');
  const chosen = Object.entries(options).filter(([name]) => !leftOut.includes(name as keyof ScoreValues));
  return {
    'the version of nacue': version,
    'the model': await hashModel(model),
    'the state': createHash('sha256')
      .update(await readState(options.state))
      .digest('hex'),
    ...Object.fromEntries(await Promise.all(paths.map(describePath))),
    ...Object.fromEntries(chosen.map(([name, value]) => [longFlag(name), value])),
    ...(await describeFiles({ transform: [options.transform], featureReduce: options.featureReduce })),
    'the number of samples': samples.count ?? null,
  };
}

/** What lies in the files that options may name, where they do. */
async function describeFiles(named: Readonly<Record<string, readonly (string | undefined)[] | undefined>>) {
  const { createHash } = await import('node:crypto');
  const described: Record<string, string> = {};
  for (const [name, values] of Object.entries(named)) {
    for (const value of values ?? []) {
      const bytes = value === undefined ? undefined : await fsp.readFile(value).catch(() => undefined);
      if (bytes) described[`the file of ${longFlag(name)} ${value}`] = createHash('sha256').update(bytes).digest('hex');
    }
  }
  return described;
}

/** Enough to see that a file is another one, without reading it. What is no file (a glob, a list) counts by its name. */
async function describePath(data: string, i: number): Promise<[string, unknown]> {
  const name = `DATA ${i + 1}`;
  const file = path.resolve(data);
  const stats = await fsp.stat(file).catch(() => undefined);
  return [
    name,
    stats?.isFile() ? { file, size: stats.size, modified: stats.mtimeMs } : { name: data, folder: process.cwd() },
  ];
}
