/**
 * What an interrupted run leaves beside its partial file so that another one can go on: a line that says what was run, then a line
 * now and then about how far it is.
 */
import { promises as fsp } from 'node:fs';
import { NacueError } from '../errors.js';

/** What the result depends on, by the name that a message uses: `--batch-size`, `the model`. */
export type RunDescription = Readonly<Record<string, unknown>>;

/** The partial file is whole up to here: so many bytes and records; the pass goes on with sample `next` of its order. */
export interface Checkpoint {
  bytes: number;
  records: number;
  next: number;
}

export const beginning: Checkpoint = { bytes: 0, records: 0, next: 0 };

const format = 1;

export function firstLine(run: RunDescription): string {
  return `${JSON.stringify({ format, run })}\n`;
}

export function checkpointLine({ bytes, records, next }: Checkpoint): string {
  return `${JSON.stringify({ bytes, records, next })}\n`;
}

/** What a journal says: where to go on, and how many of its bytes are whole lines. */
export interface Journal {
  checkpoint: Checkpoint;
  bytes: number;
}

/**
 * Reads a journal. The checkpoint is the last one that the partial file reaches; the beginning where there is no journal, or where it broke
 * off in its first line. A checkpoint holds for as long as the file exists: the same run writes the same bytes again.
 *
 * @param file what messages name
 * @throws NacueError `ERR_NACUE_OUTPUT` when another run wrote it
 */
export async function readJournal(
  journal: string,
  file: string,
  run: RunDescription,
  partialBytes: number,
): Promise<Journal> {
  const text = await fsp.readFile(journal, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  const [first, ...lines] = whole.split('\n').slice(0, -1);
  if (first === undefined) return { checkpoint: beginning, bytes: 0 };
  const former = parse(file, first) as { format?: unknown; run?: RunDescription } | null;
  if (former?.format !== format) throw unusable(file, 'another version of nacue began it');
  if (typeof former.run !== 'object' || former.run === null) throw damaged(file);
  checkSameRun(file, former.run, run);
  const checkpoints = lines.map((line) => {
    const value = parse(file, line);
    if (!isCheckpoint(value)) throw damaged(file);
    return value;
  });
  const checkpoint = checkpoints.findLast(({ bytes }) => bytes <= partialBytes) ?? beginning;
  return { checkpoint, bytes: Buffer.byteLength(whole) };
}

function checkSameRun(file: string, former: RunDescription, run: RunDescription): void {
  for (const name of new Set([...Object.keys(run), ...Object.keys(former)])) {
    const [before, now] = [JSON.stringify(former[name]), JSON.stringify(run[name])];
    if (before !== now) throw unusable(file, `${name} was ${shown(before)} and is ${shown(now)} now`);
  }
}

function shown(value: string | undefined): string {
  if (value === undefined) return 'not given';
  return value.length > 60 ? `${value.slice(0, 57)}...` : value;
}

function parse(file: string, line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw damaged(file);
  }
}

function isCheckpoint(value: unknown): value is Checkpoint {
  const { bytes, records, next } = { ...(value as Partial<Checkpoint> | null) };
  return [bytes, records, next].every((number) => Number.isSafeInteger(number) && (number as number) >= 0);
}

function damaged(file: string): NacueError {
  return unusable(file, 'its journal is damaged');
}

function unusable(file: string, why: string): NacueError {
  return new NacueError(
    'ERR_NACUE_OUTPUT',
    `cannot go on with the run of '${file}': ${why}; leave out --resume to begin anew`,
  );
}
