/** Bytes that arrays lie in: a part of a file, read from any place, or a stream, read from its start to its end. */
import fs from 'node:fs';
import type { Readable } from 'node:stream';
import { dataError, readFailure } from './data-error.js';

export interface ByteSource {
  /** For messages: the path, with the member of an archive. */
  readonly name: string;
  /** undefined where only the end of the stream will tell. */
  readonly size: number | undefined;
  /** Whether a reader may go back. */
  readonly seekable: boolean;
  open(): Promise<ByteReader>;
}

export interface ByteReader {
  /** Fills `target` with the bytes from `position` on; returns how many there were, fewer only at the end. */
  read(target: Uint8Array, position: number): Promise<number>;
  /** Fails if there are bytes from `position` on, or the bytes read do not have the checksum that they should. */
  expectEnd(position: number): Promise<void>;
  /** Ends a read that waits for a stream. */
  stop(): void;
  /** To be called when no read is under way. */
  close(): Promise<void>;
}

/** One call of the system reads at most 2 GiB - 1. */
const mostPerRead = 2 ** 30;

/** A file, or `size` bytes of it from `start`. */
export class FileBytes implements ByteSource {
  readonly seekable = true;

  constructor(
    readonly name: string,
    readonly path: string,
    readonly size: number,
    readonly start = 0,
  ) {}

  static async of(path: string): Promise<FileBytes> {
    try {
      return new FileBytes(path, path, (await fs.promises.stat(path)).size);
    } catch (error) {
      throw readFailure(path, error);
    }
  }

  async open(): Promise<ByteReader> {
    const handle = await fs.promises.open(this.path).catch((error) => {
      throw readFailure(this.path, error);
    });
    return {
      read: (target, position) => this.#read(handle.fd, target, position),
      expectEnd: async () => {}, // the size was compared when the array was found
      stop: () => {},
      close: () => handle.close(),
    };
  }

  async #read(fd: number, target: Uint8Array, position: number): Promise<number> {
    const wanted = Math.min(target.length, this.size - position);
    let done = 0;
    for (let count = -1; done < wanted && count !== 0; done += count) {
      const length = Math.min(wanted - done, mostPerRead);
      count = await readAt(fd, target, done, length, this.start + position + done).catch((error) => {
        throw readFailure(this.path, error);
      });
    }
    return done;
  }
}

// Half the time of FileHandle.read, which counts when single rows are read.
function readAt(fd: number, target: Uint8Array, offset: number, length: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(fd, target, offset, length, position, (error, count) => (error ? reject(error) : resolve(count)));
  });
}

/** The bytes of streams: {@link StreamReader} from each that `openStream` opens. */
export class StreamBytes implements ByteSource {
  readonly seekable = false;

  constructor(
    readonly name: string,
    readonly size: number | undefined,
    readonly openStream: () => Promise<AsyncIterable<Uint8Array> & Pick<Readable, 'destroy'>>,
  ) {}

  async open(): Promise<ByteReader> {
    return new StreamReader(this.name, await this.openStream());
  }
}

/** A stream that is there only once, as stdin: all who open it read on where the last one stopped. */
export class SingleStream implements ByteSource {
  readonly size = undefined;
  readonly seekable = false;
  readonly #reader: StreamReader;

  constructor(
    readonly name: string,
    stream: AsyncIterable<Uint8Array> & Pick<Readable, 'destroy'>,
  ) {
    this.#reader = new StreamReader(name, stream);
  }

  async open(): Promise<ByteReader> {
    const reader = this.#reader;
    return {
      read: (target, position) => reader.read(target, position),
      expectEnd: (position) => reader.expectEnd(position),
      stop: () => reader.stop(),
      close: async () => {},
    };
  }

  /** The bytes that come next, which stay where they are; fewer than `count` only at the end. */
  peek(count: number): Promise<Uint8Array> {
    return this.#reader.peek(count);
  }

  close(): Promise<void> {
    return this.#reader.close();
  }
}

class StreamReader implements ByteReader {
  readonly #name: string;
  readonly #stream: Pick<Readable, 'destroy'>;
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);
  #position = 0;
  #stopped = false;

  constructor(name: string, stream: AsyncIterable<Uint8Array> & Pick<Readable, 'destroy'>) {
    this.#name = name;
    this.#stream = stream;
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    if (position < this.#position) throw dataError(`'${this.#name}' can be read only once, from its start to its end`);
    while (this.#position < position) {
      if (!(await this.#fetch())) return 0;
      this.#take(Math.min(this.#rest.length, position - this.#position));
    }
    let done = 0;
    while (done < target.length && (await this.#fetch())) {
      const piece = this.#take(Math.min(this.#rest.length, target.length - done));
      target.set(piece, done);
      done += piece.length;
    }
    return done;
  }

  async peek(count: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(count);
    const there = bytes.subarray(0, await this.read(bytes, this.#position));
    this.#rest = Buffer.concat([there, this.#rest]);
    this.#position -= there.length;
    return there;
  }

  async expectEnd(position: number): Promise<void> {
    await this.read(new Uint8Array(0), position);
    if (await this.#fetch()) throw dataError(`'${this.#name}' goes on after its last sample`);
  }

  stop(): void {
    this.#stopped = true;
    this.#stream.destroy();
  }

  async close(): Promise<void> {
    this.stop();
  }

  /** Whether there are bytes in `rest`. */
  async #fetch(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const step = await this.#chunks.next().catch((error) => {
        throw this.#failure(error);
      });
      if (this.#stopped) throw dataError(`'${this.#name}' was closed while it was read`);
      if (step.done) return false;
      this.#rest = step.value;
    }
    return true;
  }

  #take(count: number): Uint8Array {
    const piece = this.#rest.subarray(0, count);
    this.#rest = this.#rest.subarray(count);
    this.#position += count;
    return piece;
  }

  #failure(error: unknown): unknown {
    if (this.#stopped) return dataError(`'${this.#name}' was closed while it was read`, error);
    const failure = readFailure(this.#name, error);
    if (failure !== error || !(error instanceof Error)) return failure;
    return dataError(`'${this.#name}' is damaged: ${error.message}`, error);
  }
}
