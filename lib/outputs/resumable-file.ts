/**
 * A file that is there whole or not at all, and that another run can go on with.
 *
 * It grows as FILE.partial with a journal FILE.resume beside it, and gets its name when it is done. What a checkpoint counts is on the
 * disk before the journal has it, so that a crash of the machine costs no more than a kill.
 */
import { promises as fsp } from 'node:fs';
import path from 'node:path';
import { followLinks, replaceableMode, syncFolder } from '../replaced-file.js';
import { outputError } from './output-error.js';
import {
  beginning,
  type Checkpoint,
  checkpointLine,
  firstLine,
  type RunDescription,
  readJournal,
} from './run-journal.js';
import type { ScoreSink } from './score-sink.js';

const checkpointIntervalMs = 250;

export class ResumableFile implements ScoreSink {
  readonly canRewrite = true;
  readonly #file: string;
  readonly #target: string;
  readonly #data: fsp.FileHandle;
  readonly #journal: fsp.FileHandle;
  #reached: Checkpoint;
  #noted: Checkpoint;
  #journalBytes: number;
  #notedAt = performance.now();
  /** A checkpoint that is on its way to the disk, beside the work. */
  #noting: Promise<void> | undefined;

  private constructor(
    file: string,
    target: string,
    handles: [fsp.FileHandle, fsp.FileHandle],
    at: Checkpoint,
    journalBytes: number,
  ) {
    this.#file = file;
    this.#target = target;
    [this.#data, this.#journal] = handles;
    this.#reached = at;
    this.#noted = at;
    this.#journalBytes = journalBytes;
  }

  /** @throws NacueError `ERR_NACUE_OUTPUT`, also when `resume` finds another run */
  static async open(file: string, run: RunDescription, resume: boolean): Promise<ResumableFile> {
    try {
      const target = await followLinks(path.resolve(file));
      const mode = await replaceableMode(target);
      const [partial, journal] = namesBeside(target);
      const former = resume ? await readJournal(journal, file, run, await sizeOf(partial)) : undefined;
      const at = former?.checkpoint ?? beginning;
      const isNew = at.bytes === 0;
      const data = await fsp.open(partial, isNew ? 'w' : 'r+');
      await data.truncate(at.bytes);
      if (mode !== undefined) await data.chmod(mode);
      const notes = await fsp.open(journal, isNew ? 'w' : 'r+');
      const first = isNew ? Buffer.from(firstLine(run)) : undefined;
      if (first) await writeAll(notes, first, 0);
      const journalBytes = first?.length ?? former?.bytes ?? 0;
      await notes.truncate(journalBytes); // a line that a kill has cut off
      return new ResumableFile(file, target, [data, notes], at, journalBytes);
    } catch (error) {
      throw outputError(file, error);
    }
  }

  /** Where the pass begins, and how much was there already. */
  get reached(): Checkpoint {
    return this.#reached;
  }

  async write(bytes: Uint8Array, records: number, next: number): Promise<void> {
    await this.#attempt(() => writeAll(this.#data, bytes, this.#reached.bytes));
    this.#reached = { bytes: this.#reached.bytes + bytes.length, records: this.#reached.records + records, next };
    if (this.#noting || performance.now() - this.#notedAt < checkpointIntervalMs) return;
    this.#noting = this.#note().finally(() => {
      this.#noting = undefined;
    });
    this.#noting.catch(() => {}); // the disk is full: the next write says so
  }

  async finish(end: Uint8Array, start?: Uint8Array): Promise<void> {
    await this.#attempt(async () => {
      await this.#noting;
      await writeAll(this.#data, end, this.#reached.bytes);
      if (start) await writeAll(this.#data, start, 0);
      await this.#data.sync();
      const [partial, journal] = namesBeside(this.#target);
      await fsp.rename(partial, this.#target);
      await syncFolder(path.dirname(this.#target));
      await fsp.rm(journal, { force: true });
      await this.#close();
    });
  }

  /** Ends before the end: keeps what another run can go on with, where there is something; tells whether there is. */
  async leave(): Promise<boolean> {
    await this.#noting?.catch(() => {}); // the checkpoint before it holds
    await this.#note().catch(() => {});
    await this.#close();
    if (this.#noted.records > 0) return true;
    for (const file of namesBeside(this.#target)) await fsp.rm(file, { force: true });
    return false;
  }

  async #note(): Promise<void> {
    const reached = this.#reached;
    this.#notedAt = performance.now();
    if (reached.bytes === this.#noted.bytes) return;
    await this.#data.datasync();
    const line = Buffer.from(checkpointLine(reached));
    await writeAll(this.#journal, line, this.#journalBytes);
    this.#journalBytes += line.length;
    this.#noted = reached;
  }

  async #close(): Promise<void> {
    await this.#data.close();
    await this.#journal.close();
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      throw outputError(this.#file, error);
    }
  }
}

function namesBeside(target: string): [string, string] {
  return [`${target}.partial`, `${target}.resume`];
}

async function sizeOf(file: string): Promise<number> {
  const stats = await fsp.stat(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  return stats?.size ?? 0;
}

async function writeAll(handle: fsp.FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}
