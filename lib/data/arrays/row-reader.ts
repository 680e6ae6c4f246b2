/** Reads rows of one array and turns them into float32. */
import { elementsIn } from '../../shape.js';
import type { ByteReader } from '../byte-source.js';
import { dataError } from '../data-error.js';
import type { ArraySource } from './array-source.js';

/** Other types than float32 pass through a buffer of at most so many bytes. */
const mostDecoded = 2 ** 20;

/** Of a stream, only by rising index and one read at a time. */
export class RowReader {
  readonly #array: ArraySource;
  readonly #bytes: ByteReader;
  readonly #elements: number;

  constructor(array: ArraySource, bytes: ByteReader) {
    this.#array = array;
    this.#bytes = bytes;
    this.#elements = elementsIn(array.sampleShape);
  }

  static async open(array: ArraySource): Promise<RowReader> {
    return new RowReader(array, await array.source.open());
  }

  /**
   * Fills `values` with whole rows from `row` on; returns how many rows there were, fewer only where the number of rows is not known.
   *
   * @throws NacueError `ERR_NACUE_DATA` where rows that should be there are not
   */
  async read(row: number, values: Float32Array): Promise<number> {
    const { source, start, type, count } = this.#array;
    const position = start + row * this.#elements * type.bytes;
    const bytes = type.decode
      ? await this.#decode(type.decode, position, values)
      : await this.#bytes.read(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), position);
    const rows = bytes / (this.#elements * type.bytes);
    if (rows * this.#elements === values.length || (count === Number.POSITIVE_INFINITY && Number.isInteger(rows)))
      return rows;
    const whole = Math.floor(row + rows);
    throw dataError(
      count === Number.POSITIVE_INFINITY
        ? `'${source.name}' ends within a sample, after ${whole} whole ones`
        : `'${source.name}' ends after ${whole} of ${count} samples`,
    );
  }

  /** Called when the last row was read. */
  expectEnd(): Promise<void> {
    const { start, type, count } = this.#array;
    if (count === Number.POSITIVE_INFINITY) return Promise.resolve();
    return this.#bytes.expectEnd(start + count * this.#elements * type.bytes);
  }

  stop(): void {
    this.#bytes.stop();
  }

  close(): Promise<void> {
    return this.#bytes.close();
  }

  async #decode(
    decode: (bytes: Uint8Array, values: Float32Array) => void,
    position: number,
    values: Float32Array,
  ): Promise<number> {
    const { bytes: width } = this.#array.type;
    const buffer = new Uint8Array(Math.min(mostDecoded, values.length * width));
    let done = 0;
    while (done < values.length * width) {
      const piece = buffer.subarray(0, Math.min(buffer.length, values.length * width - done));
      const count = await this.#bytes.read(piece, position + done);
      const whole = Math.floor(count / width);
      decode(piece.subarray(0, whole * width), values.subarray(done / width, done / width + whole));
      done += count;
      if (count < piece.length) break;
    }
    return done;
  }
}
