/** Takes a state file apart and writes one from its parts; an untouched state comes out as the same bytes. */

export interface StateTensor {
  name: string;
  dtype: string;
  shape: number[];
  bytes: Buffer;
}

export interface StateFile {
  /** Strings; docs/state-format.md says which hold JSON. */
  metadata: Record<string, string>;
  /** In the order of the file. */
  tensors: StateTensor[];
}

interface Described {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** The text of the header and the bytes behind it. */
export function splitFile(file: Uint8Array): { header: string; data: Buffer } {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const end = 8 + Number(bytes.readBigUInt64LE());
  return { header: bytes.toString('latin1', 8, end), data: bytes.subarray(end) };
}

/** A file of any header, with its right length in front; `latin1` text, so that each character is a byte. */
export function joinFile(header: string, data: Uint8Array): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, Buffer.from(header, 'latin1'), data]);
}

export function readStateFile(file: Uint8Array): StateFile {
  const { header, data } = splitFile(file);
  const { __metadata__: metadata, ...tensors } = JSON.parse(Buffer.from(header, 'latin1').toString('utf8')) as {
    __metadata__: Record<string, string>;
  };
  return {
    metadata,
    tensors: Object.entries(tensors as Record<string, Described>).map(([name, { dtype, shape, data_offsets }]) => ({
      name,
      dtype,
      shape,
      bytes: Buffer.from(data.subarray(...data_offsets)),
    })),
  };
}

/** Offsets follow from the bytes of the tensors, padding from the header. */
export function writeStateFile({ metadata, tensors }: StateFile): Buffer {
  let begin = 0;
  const described = tensors.map(({ name, dtype, shape, bytes }) => {
    const data_offsets = [begin, begin + bytes.length];
    begin += bytes.length;
    return `,${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets })}`;
  });
  const header = Buffer.from(`{"__metadata__":${JSON.stringify(metadata)}${described.join('')}}`).toString('latin1');
  const padded = header.padEnd(Math.ceil(header.length / 8) * 8);
  return joinFile(padded, Buffer.concat(tensors.map(({ bytes }) => bytes)));
}

/** The file that results when a change is made to the parts of another. */
export function editState(file: Uint8Array, change: (parts: StateFile) => void): Buffer {
  const parts = readStateFile(file);
  change(parts);
  return writeStateFile(parts);
}

/** The same for the metadata alone; `undefined` removes a key. */
export function editMetadata(file: Uint8Array, changes: Record<string, string | undefined>): Buffer {
  return editState(file, (parts) => {
    const metadata = Object.entries({ ...parts.metadata, ...changes });
    parts.metadata = Object.fromEntries(metadata.filter((entry): entry is [string, string] => entry[1] !== undefined));
  });
}
