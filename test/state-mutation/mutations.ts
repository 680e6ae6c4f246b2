/**
 * Ways to damage a state file. `raw` damages bytes where they lie; `header` changes its text and `metadata`, `counts`, `edges` and
 * `tensors` its parts, with the right length in front; `splice` joins two files. What a mutation does depends on nothing but the files
 * and the random numbers.
 */
import { below, damage, pick, type Random } from '../damage.js';
import {
  editState,
  joinFile,
  readStateFile,
  type StateFile,
  type StateTensor,
  splitFile,
  writeStateFile,
} from './state-file.js';

/** `other` is another state, for splices. */
type Mutation = (file: Buffer, random: Random, other: Buffer) => Buffer;

const headerEnd = (file: Buffer) => 8 + Number(file.readBigUInt64LE());

/** Numbers that are special to some type or parser, as JSON spells them. */
const specialNumbers = [
  ...['0', '-0', '1', '-1', '2', '3', '7', '100001', '65537', '0.5', '-0.0', '1.0', '1e2', '1E+1', '1e-400', '1e400'],
  ...[
    '2147483648',
    '4294967296',
    '9007199254740991',
    '9007199254740992',
    '9223372036854775807',
    '-9223372036854775808',
  ],
  ...[
    '18446744073709551615',
    '18446744073709551616',
    '99999999999999999999999',
    '1e19',
    '007',
    '+1',
    '.5',
    '1.',
    '0x10',
  ],
  ...['NaN', 'Infinity', 'null', 'true', '"1"', '[]', '{}', ''],
];

/** Changes the text of the header. */
const inHeader =
  (change: (header: string, random: Random, size: number) => string): Mutation =>
  (file, random) => {
    const { header, data } = splitFile(file);
    return joinFile(change(header, random, data.length), data);
  };

/** Replaces one of the matches, which `replace` gets. */
function replaceOne(text: string, pattern: RegExp, random: Random, replace: (match: string) => string): string {
  const matches = [...text.matchAll(pattern)];
  if (matches.length === 0) return text;
  const { 0: match, index } = pick(matches, random);
  return text.slice(0, index) + replace(match) + text.slice(index + match.length);
}

const inParts =
  (change: (parts: StateFile, random: Random) => void): Mutation =>
  (file, random) =>
    editState(file, (parts) => change(parts, random));

/** Changes one value of the metadata. */
const inMetadata = (change: (value: string, random: Random, all: string[]) => string) =>
  inParts(({ metadata }, random) => {
    const key = pick(Object.keys(metadata), random);
    metadata[key] = change(metadata[key] as string, random, Object.values(metadata));
  });

const inTensor = (prefix: string, change: (tensor: StateTensor, random: Random) => void) =>
  inParts(({ tensors }, random) =>
    change(
      pick(
        tensors.filter(({ name }) => name.startsWith(prefix)),
        random,
      ),
      random,
    ),
  );

/** Changes one row of counts. */
const inRow = (change: (row: BigInt64Array, random: Random) => void) =>
  inTensor('counts.', ({ shape: [rows, bins], bytes }, random) => {
    const size = 8 * (bins as number);
    const at = size * below(rows as number, random);
    const row = new BigInt64Array(Uint8Array.from(bytes.subarray(at, at + size)).buffer);
    change(row, random);
    bytes.set(new Uint8Array(row.buffer), at);
  });

function add(row: BigInt64Array, bin: number, count: bigint): void {
  row[bin] = (row[bin] as bigint) + count;
}

/** Moves counts from one bin to another: sound as long as no more is taken than is there. */
function moveCounts(row: BigInt64Array, random: Random): void {
  const from = random() < 0.8 ? row.findIndex((count) => count > 0n) : below(row.length, random);
  const count = random() < 0.8 ? 1n : BigInt(below(30, random));
  add(row, from, -count);
  add(row, below(row.length, random), count);
}

/** Extreme counts that add up to what was there, in 64 bits. */
function wrapCounts(row: BigInt64Array, random: Random): void {
  const extreme = pick([2n ** 62n, -(2n ** 63n), 2n ** 63n - 1n, 2n ** 53n, -1n, 2n ** 32n], random);
  add(row, 0, extreme);
  add(row, row.length - 1, -extreme);
}

/** The offsets of two tensors trade places. */
function swapOffsets(header: string, random: Random): string {
  const found = [...header.matchAll(/"data_offsets":\[[^\]]*\]/g)].map(([text]) => text);
  const [one, other] = [pick(found, random), pick(found, random)];
  return header.replace(one, '\0').replace(other, one).replace('\0', other);
}

/** A member of an object is there a second time, with its own value or that of another. */
function duplicateMember(header: string, random: Random): string {
  const members = [...header.matchAll(/"[\w.]+":(?:"(?:[^"\\]|\\.)*"|\{[^{}]*\}|\[[^\]]*\])/g)].map(([text]) => text);
  const member = pick(members, random);
  const [value] = /:.*$/s.exec(pick(members, random)) as RegExpExecArray;
  const copy = random() < 0.5 ? member : member.replace(/:.*$/s, () => value);
  return header.replace(member, () => `${member},${copy}`);
}

/** Words and signs trade places, are lost or double. */
function changeTokens(text: string, random: Random): string {
  const tokens = text.split(/\b/);
  const at = below(tokens.length, random);
  const change = pick(
    [
      () => tokens.splice(at, 1),
      () => tokens.splice(at, 0, tokens[at] as string),
      () => tokens.splice(at, 1, pick(tokens, random)),
      () => tokens.splice(at, 1, pick(specialNumbers, random)),
    ],
    random,
  );
  change();
  return tokens.join('');
}

function nest(text: string, random: Random): string {
  const [open, close] = pick([['[', ']'] as const, ['{"a":', '}'] as const], random);
  const depth = pick([1, 4, 6, 8, 9, 100, 20_000], random);
  return replaceOne(text, /\d+|"[^"]*"/g, random, (value) => {
    return open.repeat(depth) + value + (random() < 0.7 ? close.repeat(depth) : '');
  });
}

/** The same members of the header in another order: as sound as before. */
function shuffleMembers(header: string, random: Random): string {
  const members = Object.entries(JSON.parse(header) as object);
  const text = members.map((member) => [random(), member] as const).sort(([a], [b]) => a - b);
  return JSON.stringify(Object.fromEntries(text.map(([, member]) => member)));
}

/** Neurons more or less, in shape and bytes: sound for a reader, and another model's. */
function changeNeurons(tensor: StateTensor, random: Random): void {
  const [rows, bins] = tensor.shape as [number, number];
  const kept = below(rows + 1, random);
  const doubled = Buffer.concat([tensor.bytes, tensor.bytes]);
  const count = random() < 0.5 ? kept : rows + kept;
  tensor.shape = [count, bins];
  tensor.bytes = doubled.subarray(0, count * bins * 8);
}

/** A layer gets another name everywhere. */
function renameLayer({ metadata, tensors }: StateFile, random: Random): void {
  const layers = JSON.parse(metadata.layers as string) as string[];
  const layer = pick(layers, random);
  const name = pick(
    ['bn1', 'relu', `${layer}#2`, `${layer}[0]`, `${layer}#99999999999`, '', 'é', 'x'.repeat(3000), 'a\0b', ...layers],
    random,
  );
  metadata.layers = JSON.stringify(layers.with(layers.indexOf(layer), name));
  for (const tensor of tensors)
    tensor.name = tensor.name.replace(new RegExp(`^(counts|edges)\\.${layer}$`), (_, kind) => `${kind}.${name}`);
}

function changeList({ tensors }: StateFile, random: Random): void {
  const [at, other] = [below(tensors.length, random), below(tensors.length, random)];
  const tensor = tensors[at] as StateTensor;
  const changes = [
    () => tensors.splice(at, 1),
    () => tensors.push({ ...tensor, name: `${tensor.name}2` }),
    () => tensors.push({ ...(tensors[other] as StateTensor), name: '' }),
    () =>
      ([tensor.bytes, tensor.shape] = [(tensors[other] as StateTensor).bytes, (tensors[other] as StateTensor).shape]),
    () => (tensor.name = (tensors[other] as StateTensor).name),
    () => (tensor.bytes = tensor.bytes.subarray(0, below(tensor.bytes.length, random))),
    () => (tensor.bytes = Buffer.alloc(0)),
  ];
  pick(changes, random)();
}

const dtypes = [
  'I64',
  'U64',
  'F64',
  'I32',
  'F32',
  'BF16',
  'U8',
  'BOOL',
  'F4',
  'F6_E2M3',
  'F8_E8M0',
  'C64',
  'i64',
  'I65',
  '',
];
const sizes = [
  '0',
  '1',
  '12',
  '-1',
  '4294967296',
  '9223372036854775807',
  '18446744073709551616',
  '1e3',
  '4611686018427387904',
];

export const mutations: Record<string, Mutation> = {
  'raw.anywhere': (file, random) => damage(file, 0, file.length, 8, random),
  'raw.header': (file, random) => damage(file, 8, headerEnd(file), 4, random),
  'raw.one_bit': (file, random) => {
    const flipped = Buffer.from(file);
    const at = below(headerEnd(file), random);
    flipped[at] = (flipped[at] as number) ^ (1 << below(8, random));
    return flipped;
  },
  'raw.data': (file, random) => damage(file, headerEnd(file), file.length, 8, random),
  'raw.truncate': (file, random) => Buffer.from(file.subarray(0, below(file.length, random))),
  'raw.cut_out': (file, random) => {
    const at = below(file.length, random);
    return Buffer.concat([file.subarray(0, at), file.subarray(at + 1 + below(200, random))]);
  },
  'raw.insert': (file, random) => {
    const at = below(file.length + 1, random);
    return Buffer.concat([file.subarray(0, at), file.subarray(0, 1 + below(200, random)), file.subarray(at)]);
  },
  'raw.zeros': (file, random) => {
    const at = below(file.length, random);
    return Buffer.from(file).fill(0, at, Math.min(file.length, at + 1 + below(500, random)));
  },
  'raw.header_length': (file, random) => {
    const length = file.readBigUInt64LE();
    const special = [length - 1n, length + 1n, length + 8n, length - 8n, 0n, 1n, 2n ** 20n, 2n ** 20n + 1n, 2n ** 32n];
    const changed = Buffer.from(file);
    changed.writeBigUInt64LE(
      pick([...special, 2n ** 63n, 2n ** 64n - 1n, 2n ** 64n - 8n, BigInt(file.length)], random),
    );
    return changed;
  },
  'header.number': inHeader((header, random) => replaceOne(header, /\d+/g, random, () => pick(specialNumbers, random))),
  'header.token': inHeader(changeTokens),
  'header.nesting': inHeader(nest),
  'header.duplicate_key': inHeader(duplicateMember),
  'header.swapped_offsets': inHeader(swapOffsets),
  'header.moved_offset': inHeader((header, random, size) =>
    replaceOne(header, /"data_offsets":\[\d+,\d+\]/g, random, (text) =>
      replaceOne(
        text,
        /\d+/g,
        random,
        (offset) => `${Number(offset) + pick([1, -1, 8, -8, 384, size, -size, 2 ** 52], random)}`,
      ),
    ),
  ),
  'header.shape': inHeader((header, random) =>
    replaceOne(header, /"shape":\[[^\]]*\]/g, random, () => {
      return `"shape":[${Array.from({ length: below(6, random) }, () => pick(sizes, random)).join()}]`;
    }),
  ),
  'header.many_sizes': inHeader((header, random) =>
    replaceOne(
      header,
      /"shape":\[/g,
      random,
      (text) => text + `${pick(['1', '0', '2'], random)},`.repeat(below(30_000, random)),
    ),
  ),
  'header.dtype': inHeader((header, random) =>
    replaceOne(header, /"dtype":"\w+"/g, random, () => `"dtype":"${pick(dtypes, random)}"`),
  ),
  'header.escape': inHeader((header, random) =>
    replaceOne(header, /(?<=[\w.])[\w.](?=[\w.])/g, random, (letter) => {
      const code = pick([letter.charCodeAt(0), 0, 0x22, 0xd800, 0xdc00, 0xffff, 0x62], random);
      return `\\u${code.toString(16).padStart(4, '0')}`;
    }),
  ),
  'header.layout': inHeader((header, random) =>
    random() < 0.5 ? shuffleMembers(header, random) : header + ' '.repeat(pick([1, 7, 8, 1000, 2 ** 20], random)),
  ),
  'metadata.remove': inParts(({ metadata }, random) => void delete metadata[pick(Object.keys(metadata), random)]),
  'metadata.add': inParts(({ metadata }, random) => {
    metadata[
      pick(
        ['seed', 'threshold', 'threshold_tpr', 'output', 'mode', 'precision', 'Format', '', '__proto__x', 'é'],
        random,
      )
    ] = pick(specialNumbers, random);
  }),
  'metadata.exchange': inMetadata((_, random, all) => pick(all, random)),
  'metadata.number': inMetadata((value, random) =>
    replaceOne(value, /\d+/g, random, () => pick(specialNumbers, random)),
  ),
  'metadata.digits': inMetadata((value, random) => replaceOne(value, /\d/g, random, () => `${below(10, random)}`)),
  'metadata.token': inMetadata(changeTokens),
  'metadata.layer': inParts(renameLayer),
  'counts.keep_sums': inRow(moveCounts),
  'counts.break_sums': inRow((row, random) =>
    add(row, below(row.length, random), pick([1n, -1n, 20n, 2n ** 62n, -(2n ** 62n)], random)),
  ),
  'counts.wrap': inRow(wrapCounts),
  'edges.value': inTensor('edges.', ({ bytes }, random) => {
    const at = 4 * below(bytes.length / 4, random);
    bytes.writeFloatLE(
      pick(
        [random(), 0, 1, 1.2, 1.3, -1, Number.NaN, Number.POSITIVE_INFINITY, bytes.readFloatLE(at) * 1.0000002],
        random,
      ),
      at,
    );
  }),
  'tensors.list': inParts(changeList),
  'tensors.neurons': inTensor('counts.', changeNeurons),
  'splice.bytes': (file, random, other) =>
    Buffer.concat([file.subarray(0, below(file.length, random)), other.subarray(below(other.length, random))]),
  'splice.header': (file, _, other) => joinFile(splitFile(file).header, splitFile(other).data),
  'splice.metadata': (file, _, other) =>
    editState(file, (parts) => void Object.assign(parts, { metadata: readStateFile(other).metadata })),
  'splice.tensors': (file, random, other) => {
    const [parts, others] = [readStateFile(file), readStateFile(other).tensors];
    const at = below(parts.tensors.length, random);
    parts.tensors[at] = pick([others[at % others.length] as StateTensor, pick(others, random)], random);
    return writeStateFile(parts);
  },
};
