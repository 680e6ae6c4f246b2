/** Where the bytes of scores go: a file that is replaced as a whole, or a stream (stdout, a device, a pipe) that takes them as they come. */
import { promises as fsp } from 'node:fs';
import { outputError } from './output-error.js';
import { ResumableFile } from './resumable-file.js';
import { beginning, type Checkpoint, type RunDescription } from './run-journal.js';

export interface ScoreSink {
  /** Whether `finish` can replace the first bytes. */
  readonly canRewrite: boolean;
  /** How much was there when it was opened, and is there now. */
  readonly reached: Checkpoint;
  /** The bytes are written over once it has resolved. */
  write(bytes: Uint8Array, records: number, next: number): Promise<void>;
  finish(end: Uint8Array, start?: Uint8Array): Promise<void>;
  /** Ends before the end; tells whether another run can go on. */
  leave(): Promise<boolean>;
}

/**
 * @param file undefined: stdout
 * @throws NacueError `ERR_NACUE_OUTPUT`
 */
export async function openSink(file: string | undefined, run: RunDescription, resume: boolean): Promise<ScoreSink> {
  if (file === undefined) return new StreamSink(writeToStdout, async () => {});
  if (!(await isStreamFile(file))) return ResumableFile.open(file, run, resume);
  if (resume) throw outputError(file, new Error('only a regular file can be gone on with'));
  try {
    const handle = await fsp.open(file, 'w');
    const write = (bytes: Uint8Array) => handle.writeFile(bytes);
    return new StreamSink(write, () => handle.close(), file);
  } catch (error) {
    throw outputError(file, error);
  }
}

class StreamSink implements ScoreSink {
  readonly canRewrite = false;
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  readonly #close: () => Promise<void>;
  readonly #file: string;
  #reached = beginning;

  constructor(write: (bytes: Uint8Array) => Promise<void>, close: () => Promise<void>, file = 'stdout') {
    this.#write = write;
    this.#close = close;
    this.#file = file;
  }

  get reached(): Checkpoint {
    return this.#reached;
  }

  async write(bytes: Uint8Array, records: number, next: number): Promise<void> {
    await this.#attempt(() => this.#write(bytes));
    this.#reached = { bytes: this.#reached.bytes + bytes.length, records: this.#reached.records + records, next };
  }

  async finish(end: Uint8Array): Promise<void> {
    await this.#attempt(async () => {
      if (end.length > 0) await this.#write(end);
      await this.#close();
    });
  }

  async leave(): Promise<boolean> {
    await this.#close().catch(() => {}); // what ended the run says more
    return false;
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      throw outputError(this.#file, error);
    }
  }
}

/** What fails there, whoever listens to its errors deals with. */
function writeToStdout(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.write(bytes, () => resolve());
  });
}

async function isStreamFile(file: string): Promise<boolean> {
  const stats = await fsp.stat(file).catch(() => undefined); // what else is wrong with it shows when it is opened
  return stats !== undefined && !stats.isFile() && !stats.isDirectory();
}
