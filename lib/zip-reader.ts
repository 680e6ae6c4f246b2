/** The bytes of a zip file, as yauzl asks for them. */
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import yauzl from 'yauzl';

const pieceBytes = 2 ** 18;

/** In place of yauzl's own, which crashes when one of several streams is destroyed while it waits for another. */
export class ZipReader extends yauzl.RandomAccessReader {
  constructor(readonly file: FileHandle) {
    super();
  }

  async openZip(): Promise<yauzl.ZipFile> {
    return yauzl.fromRandomAccessReaderPromise(this, (await this.file.stat()).size, { autoClose: false });
  }

  override _readStreamForRange(start: number, end: number): Readable {
    return Readable.from(this.#pieces(start, end), { objectMode: false });
  }

  override read(buffer: Buffer, offset: number, length: number, position: number, done: (error: Error | null) => void) {
    this.file.read(buffer, offset, length, position).then(
      ({ bytesRead }) => done(bytesRead < length ? endsTooEarly() : null),
      (error) => done(error),
    );
  }

  async *#pieces(start: number, end: number): AsyncGenerator<Buffer> {
    for (let at = start; at < end; ) {
      const { buffer, bytesRead } = await this.file.read(
        Buffer.allocUnsafe(Math.min(pieceBytes, end - at)),
        0,
        null,
        at,
      );
      if (bytesRead === 0) throw endsTooEarly();
      yield buffer.subarray(0, bytesRead);
      at += bytesRead;
    }
  }

  override close(done: (error: Error | null) => void) {
    this.file.close().then(() => done(null), done);
  }
}

function endsTooEarly(): Error {
  return new Error('it ends too early');
}
