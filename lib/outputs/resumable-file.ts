/**
 * A file that is there whole or not at all, and that another run can go on with.
 *
 * It grows as FILE.partial with a journal FILE.resume beside it, and gets its name when it is done. What a checkpoint counts is on the
 * disk before the journal has it, so that a crash of the machine costs no more than a kill.
 */
import fs, { promises as fsp } from 'node:fs';
import path from 'node:path';
import { followLinks, replaceableMode, syncFolder } from '../replaced-file.js';
import { outputError } from './output-error.js';
import { lockOutput } from './output-lock.js';
import {
  beginning,
  type Checkpoint,
  checkpointLine,
  firstLine,
  type Journal,
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
  readonly #unlock: () => Promise<void>;
  #reached: Checkpoint;
  #noted: Checkpoint;
  #journalBytes: number;
  #notedAt = performance.now();
  /** A checkpoint that is on its way to the disk, beside the work. */
  #noting: Promise<void> | undefined;

  private constructor(file: string, target: string, { data, journal, unlock, at, journalBytes }: Opened) {
    this.#file = file;
    this.#target = target;
    this.#data = data;
    this.#journal = journal;
    this.#unlock = unlock;
    this.#reached = at;
    this.#noted = at;
    this.#journalBytes = journalBytes;
  }

  /** @throws NacueError `ERR_NACUE_OUTPUT`, also when `resume` finds another run, or one is writing the file */
  static async open(file: string, run: RunDescription, resume: boolean): Promise<ResumableFile> {
    try {
      const target = await followLinks(path.resolve(file));
      const mode = await replaceableMode(target);
      const unlock = await lockOutput(target);
      try {
        const former = resume ? await readFormer(target, file, run) : undefined;
        return new ResumableFile(file, target, { ...(await openBeside(target, run, former, mode)), unlock });
      } catch (error) {
        await unlock();
        throw error;
      }
    } catch (error) {
      throw outputError(file, error);
    }
  }

  /** Where the pass begins, and how much was there already. */
  get reached(): Checkpoint {
    return this.#reached;
  }

  async write(bytes: Uint8Array, records: number, next: number): Promise<void> {
    await this.#attempt(async () => writeAll(this.#data, bytes, this.#reached.bytes));
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
      writeAll(this.#data, end, this.#reached.bytes);
      if (start) writeAll(this.#data, start, 0);
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
    const isKept = this.#noted.records > 0;
    if (!isKept) await removeBeside(this.#target);
    await this.#close();
    return isKept;
  }

  async #note(): Promise<void> {
    const reached = this.#reached;
    this.#notedAt = performance.now();
    if (reached.bytes === this.#noted.bytes) return;
    await this.#data.datasync();
    const line = Buffer.from(checkpointLine(reached));
    writeAll(this.#journal, line, this.#journalBytes);
    this.#journalBytes += line.length;
    this.#noted = reached;
  }

  async #close(): Promise<void> {
    await this.#data.close();
    await this.#journal.close();
    await this.#unlock();
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      throw outputError(this.#file, error);
    }
  }
}

interface Beside {
  data: fsp.FileHandle;
  journal: fsp.FileHandle;
  at: Checkpoint;
  journalBytes: number;
}

interface Opened extends Beside {
  unlock: () => Promise<void>;
}

async function readFormer(target: string, file: string, run: RunDescription): Promise<Journal> {
  const [partial, journal] = namesBeside(target);
  return readJournal(journal, file, run, await sizeOf(partial));
}

/** Opens the two files that grow beside the target, where a former run stopped. What cannot be begun leaves nothing. */
async function openBeside(
  target: string,
  run: RunDescription,
  former: Journal | undefined,
  mode: number | undefined,
): Promise<Beside> {
  const at = former?.checkpoint ?? beginning;
  const isNew = at.bytes === 0;
  const opened: fsp.FileHandle[] = [];
  const open = async (name: string) => {
    const handle = await fsp.open(name, isNew ? 'w' : 'r+');
    opened.push(handle);
    return handle;
  };
  try {
    const [partial, journalName] = namesBeside(target);
    const data = await open(partial);
    await data.truncate(at.bytes);
    if (mode !== undefined) await data.chmod(mode);
    const journal = await open(journalName);
    const first = isNew ? Buffer.from(firstLine(run)) : undefined;
    if (first) writeAll(journal, first, 0);
    const journalBytes = first?.length ?? former?.bytes ?? 0;
    await journal.truncate(journalBytes); // a line that a kill has cut off
    return { data, journal, at, journalBytes };
  } catch (error) {
    for (const handle of opened) await handle.close();
    if (isNew && opened.length > 0) await removeBeside(target);
    throw error;
  }
}

async function removeBeside(target: string): Promise<void> {
  for (const file of namesBeside(target)) await fsp.rm(file, { force: true });
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

/** At once: the system takes a batch of records in less time than waking a thread for it needs, and that thread would hold up the model. */
function writeAll({ fd }: fsp.FileHandle, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += fs.writeSync(fd, bytes, done, bytes.length - done, position + done);
  }
}
