/** Files made by hand that break the rules of docs/state-format.md, by the code that refuses them. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { fixture } from './fixtures.js';
import {
  editMetadata,
  editState,
  joinFile,
  type StateFile,
  type StateTensor,
  splitFile,
} from './state-mutation/state-file.js';

export type Make = (state: Uint8Array) => Uint8Array;
export type Case = [name: string, make: Make, message: RegExp];

/** Replaces text of the header; the length in front follows. */
export const header =
  (from: string | RegExp, to: string): Make =>
  (state) => {
    const { header: text, data } = splitFile(state);
    const changed = text.replace(from, () => to);
    assert.notEqual(changed, text, `nothing to replace: ${from}`);
    return joinFile(changed, data);
  };

/** A file that is nothing but a header. */
const only =
  (text: string): Make =>
  () =>
    joinFile(text, new Uint8Array());

export const metadata =
  (changes: Record<string, string | undefined>): Make =>
  (state) =>
    editMetadata(state, changes);

const parts =
  (change: (parts: StateFile) => void): Make =>
  (state) =>
    editState(state, change);

const tensor = (name: string, change: (tensor: StateTensor) => void): Make =>
  parts(({ tensors }) => change(tensors.find((one) => one.name === name) as StateTensor));

/** Changes what the header says of `counts.conv1`, whose data are the first 384 bytes. */
const conv1 = (field: 'dtype' | 'shape' | 'data_offsets', value: string): Make =>
  header(
    { dtype: '"dtype":"I64"', shape: '"shape":[4,12]', data_offsets: '"data_offsets":[0,384]' }[field],
    `"${field}":${value}`,
  );

const withLength = (state: Uint8Array, length: bigint): Buffer => {
  const bytes = Buffer.from(state);
  bytes.writeBigUInt64LE(length);
  return bytes;
};

const manyArrays = (count: number) => `{"__metadata__":{},"x":[${Array.from({ length: count }, () => '[]').join()}]}`;

export const notSafetensors: Case[] = [
  ['an empty file', () => Buffer.alloc(0), /it has 0 bytes/],
  ['seven bytes', (state) => state.subarray(0, 7), /it has 7 bytes/],
  ['a header that is cut off', (state) => state.subarray(0, 500), /ends before its header does/],
  ['a length of the header beyond all bytes', (state) => withLength(state, 2n ** 64n - 1n), /ends before its header/],
  ['a length of the header of zero', (state) => withLength(state, 0n), /does not begin with '\{'/],
  ['a header over 1 MiB', (state) => longHeader(state, 2 ** 20 + 8), /header is longer than 1 MiB/],
  ['text', () => Buffer.from('these are no counts, these are words'), /ends before its header does/],
  ['a zip file', () => fs.readFileSync(fixture('small.pt')), /damaged or no safetensors file/],
  ['a header that is a list', only('[]'), /does not begin with '\{'/],
  ['a space in front of the header', header(/^/, ' '), /does not begin with '\{'/],
  ['an unfinished header', header(/\} *$/, ''), /no JSON, no ',' or '\}' at byte/],
  ['text behind the header', header(/\} *$/, '} x'), /no JSON, something follows the value/],
  ['a comma too many', header(/\}\} *$/, '},}'), /no JSON, no key/],
  ['a control character', header('conv1', 'conv\n1'), /no JSON, a control character/],
  ['a byte that is no UTF-8', header('conv1', 'conv\xff'), /no JSON, a string is not UTF-8/],
  ['half a surrogate pair', header('counts.conv1', 'counts.\\ud800'), /no JSON, half a surrogate pair/],
  ['an unknown escape', header('conv1', '\\x41'), /no JSON, an unknown escape/],
  ['a leading zero', conv1('shape', '[04,12]'), /no JSON, no ',' or '\]'/],
  ['NaN', conv1('shape', '[NaN,12]'), /no JSON, no value/],
  ['a number that overflows', conv1('shape', '[1e999,12]'), /no JSON, a number out of range/],
  ['nine levels', only(`{"x":${'['.repeat(8)}${']'.repeat(8)}}`), /no JSON, nested too deep/],
  ['a hundred thousand levels', only(`{"x":${'['.repeat(1e5)}`), /no JSON, nested too deep/],
  ['a tensor twice', header('"counts.layer1":', '"counts.conv1":'), /a key is there twice/],
  ['metadata twice', header('"counts.conv1":', '"__metadata__":'), /a key is there twice/],
  ['a key of the metadata twice', header('"alpha":', '"binning":'), /a key is there twice/],
  ['a key twice by an escape', header('"alpha":', '"\\u0062inning":'), /a key is there twice/],
  ['a field of a tensor twice', header('"dtype":"I64"', '"dtype":"I64","dtype":"I64"'), /a key is there twice/],
  ['metadata that are a list', header(/"__metadata__":\{[^}]*\}/, '"__metadata__":[]'), /__metadata__ is no object/],
  ['a number in the metadata', header(/"samples":"\d+"/, '"samples":20'), /no string for 'samples'/],
  ['a tensor that is a number', only('{"__metadata__":{},"x":5}'), /'x' is not described by dtype, shape and data_/],
  ['a tensor without a field', header('"dtype":"I64",', ''), /not described by dtype, shape and data_offsets/],
  ['a tensor with a field more', header('"dtype":"I64"', '"dtype":"I64","x":1'), /not described by dtype/],
  ['an unknown dtype', conv1('dtype', '"I65"'), /'counts\.conv1' has the unknown dtype 'I65'/],
  ['a dtype that is a number', conv1('dtype', '64'), /has a dtype that is no string/],
  ['a shape that is a number', conv1('shape', '48'), /has a shape that is no array of whole numbers/],
  ['a negative size', conv1('shape', '[-4,-12]'), /has a shape that is no array of whole numbers/],
  ['a fractional size', conv1('shape', '[4.0,12]'), /has a shape that is no array of whole numbers/],
  ['a size beyond 64 bits', conv1('shape', '[4,99999999999999999999]'), /no array of whole numbers/],
  ['a shape whose size overflows', conv1('shape', '[4294967296,4294967296]'), /a shape whose size overflows/],
  ['a shape that overflows to the right size', conv1('shape', '[4,12,4611686018427387904,4]'), /size overflows/],
  ['half a byte', conv1('dtype', '"F6_E2M3"'), /do(es)? not (fit|fill)/],
  [
    'a part of a byte',
    only('{"__metadata__":{},"x":{"dtype":"F4","shape":[3],"data_offsets":[0,0]}}'),
    /does not fill whole bytes/,
  ],
  ['one offset', conv1('data_offsets', '[384]'), /data_offsets that are no begin and end/],
  ['three offsets', conv1('data_offsets', '[0,384,384]'), /data_offsets that are no begin and end/],
  ['offsets in the wrong order', conv1('data_offsets', '[384,0]'), /data_offsets that are no begin and end/],
  ['a negative offset', conv1('data_offsets', '[-1,383]'), /data_offsets that is no array of whole numbers/],
  ['offsets that do not fit the shape', conv1('data_offsets', '[0,383]'), /do not fit its dtype and shape/],
  ['a shape that does not fit the offsets', conv1('shape', '[4,13]'), /do not fit its dtype and shape/],
  ['offsets behind the end', conv1('data_offsets', '[2305843009213693952,2305843009213694336]'), /ends behind the end/],
  ['tensors that overlap', header('"data_offsets":[384,768]', '"data_offsets":[376,760]'), /overlaps the one before/],
  ['two tensors at one place', header('"data_offsets":[384,768]', '"data_offsets":[0,384]'), /overlaps the one before/],
  ['a hole between tensors', (state) => dropFromHeader(state, 'counts.layer1'), /there is a hole in front of/],
  ['a hole in front of the first tensor', (state) => shiftData(state, 8), /there is a hole in front of/],
  ['a byte that is missing', (state) => state.subarray(0, state.length - 1), /ends behind the end of the file/],
  ['a byte too many', (state) => Buffer.concat([state, Buffer.alloc(1)]), /bytes follow its last tensor/],
  ['data without a tensor', () => joinFile('{"__metadata__":{}}', Buffer.alloc(8)), /bytes follow its last tensor/],
  ['many small values', (state) => Buffer.concat([only(manyArrays(3e5))(state)]), /'x' is not described by/],
];

/** A header padded to a length. */
export function longHeader(state: Uint8Array, length: number): Buffer {
  const { header: text, data } = splitFile(state);
  return joinFile(text.padEnd(length), data);
}

/** All offsets and the data moved on. */
function shiftData(state: Uint8Array, by: number): Buffer {
  const { header: text, data } = splitFile(state);
  const moved = text.replace(/"data_offsets":\[(\d+),(\d+)\]/g, (_, begin, end) => {
    return `"data_offsets":[${Number(begin) + by},${Number(end) + by}]`;
  });
  return joinFile(moved, Buffer.concat([Buffer.alloc(by), data]));
}

/** The bytes of a tensor stay, its description goes. */
function dropFromHeader(state: Uint8Array, name: string): Buffer {
  const { header: text, data } = splitFile(state);
  return joinFile(text.replace(new RegExp(`,"${name}":\\{[^}]*\\}`), ''), data);
}

export const otherVersion: Case[] = ['2', '1.0', '', '01', 'a\nb'.repeat(100)].map((version) => [
  JSON.stringify(version.slice(0, 5)),
  metadata({ format_version: version }),
  /the state has the format version '.*', this nacue knows version 1; install a newer nacue$/,
]);

const counts = (name: string, change: (counts: BigInt64Array) => void): Make =>
  tensor(`counts.${name}`, ({ bytes }) => {
    const numbers = new BigInt64Array(Uint8Array.from(bytes).buffer);
    change(numbers);
    bytes.set(new Uint8Array(numbers.buffer));
  });
const edges = (change: (edges: Float32Array) => void): Make =>
  tensor('edges.conv1', ({ bytes }) => {
    const numbers = new Float32Array(Uint8Array.from(bytes).buffer);
    change(numbers);
    bytes.set(new Uint8Array(numbers.buffer));
  });
const edge = (index: number, value: number) => edges((numbers) => void numbers.fill(value, index, index + 1));

/** Values that each key of the metadata must not have. */
const badValues: Record<string, [string, RegExp][]> = {
  format: [['pt', /do not say that nacue wrote it/]],
  preset: [['openood2', /preset has the unknown value 'openood2'/]],
  binning: [['', /binning has the unknown value ''/]],
  aggregation: [['max\u0007', /aggregation has the unknown value 'max\?'/]],
  layers: [
    ['', /layers is no JSON/],
    ['[]', /reduce has 4 entries for 0 layers|m_bins has 4 entries for 0 layers/],
    ['"conv1"', /layers is no list/],
    ['[1,2,3,4]', /layers holds something that is no string/],
    ['["conv1","layer1","avgpool","conv1"]', /layer 'conv1' is there twice/],
    ['["conv1","layer1","avgpool"]', /m_bins has 4 entries for 3 layers/],
    ['["conv1","layer1","avgpool","fc2"]', /it has no tensor counts\.fc2/],
    ['["conv1","layer1","avgpool","fc"] ,', /layers is no JSON, something follows/],
  ],
  execution_order: [
    ['[0,1,2]', /execution_order does not name each layer once/],
    ['[0,1,2,2]', /execution_order does not name each layer once/],
    ['[0,1,2,4]', /execution_order does not name each layer once/],
    ['[0,1,2,-1]', /execution_order does not name each layer once/],
    ['[0,1,2,3.5]', /execution_order holds something that is no whole number/],
    ['[[[[[[[[[]]]]]]]]]', /execution_order is no JSON, nested too deep/],
  ],
  m_bins: [
    ['[12,12,12]', /m_bins has 3 entries for 4 layers/],
    ['[12,12,12,1]', /m_bins of layer 'fc' is 1, not from 2 to 100000/],
    ['[12,12,12,100001]', /m_bins of layer 'fc' is 100001, not from/],
    ['[12,12,12,13]', /counts\.fc has 12 bins, m_bins says 13/],
    ['[12,12,12,"12"]', /m_bins holds something that is no whole number/],
    ['[12,12,12,12.0]', /m_bins holds something that is no whole number/],
    ['{"a":1}', /m_bins is no list/],
  ],
  alpha: [
    ['[600,600,600,0]', /alpha of layer 'fc' is not finite and above 0/],
    ['[600,600,600,-1]', /alpha of layer 'fc' is not finite and above 0/],
    ['[600,600,600,1e999]', /alpha is no JSON, a number out of range/],
    ['[600,600,600,null]', /alpha holds something that is no number/],
    ['[600,600,600,Infinity]', /alpha is no JSON/],
  ],
  o_star: [
    ['[18,18,18,0]', /o_star of layer 'fc' is 0, not from 1/],
    ['[18,18,18,9007199254740992]', /o_star of layer 'fc' is 9007199254740992, not from/],
    ['[18,18,18,1e3]', /o_star holds something that is no whole number/],
  ],
  reduce: [
    ['["auto","auto","auto","max"]', /reduce of layer 'fc' has the unknown value 'max'/],
    ['["auto","auto","auto","module:abc"]', /reduce of layer 'fc' names a module by no SHA-256/],
    ['["auto","auto","auto","/tmp/x.pt"]', /reduce of layer 'fc' has the unknown value/],
    [`["auto","auto","auto","module:${'A'.repeat(64)}"]`, /names a module by no SHA-256/],
  ],
  layer_weights: [
    ['[0,0,0,0]', /layer_weights are all 0/],
    ['[1,1,1,-1]', /layer_weights of layer 'fc' is not from 0 to 1e9/],
    ['[1,1,1]', /layer_weights has 3 entries for 4 layers/],
  ],
  samples: [
    ['0', /samples is 0, not from 1/],
    ['-20', /samples is -20, not from 1/],
    ['19', /counts\.conv1, neuron 0: the counts add up to 20, the state has 19 samples/],
    ['9007199254740992', /samples is 9007199254740992, not from/],
    ['99999999999999999999', /samples is no whole number/],
    ['20.5', /samples is no whole number/],
    ['"20"', /samples is no whole number/],
    ['[20]', /samples is no whole number/],
  ],
  input_shape: [
    ['[]', /input_shape is empty/],
    ['[1,0,8]', /a size of input_shape is 0, not from 1/],
    ['[1,-8,-8]', /a size of input_shape is -8/],
    ['[1,8,9007199254740992]', /a size of input_shape is 9007199254740992/],
    ['64', /input_shape is no list/],
    ['null', /input_shape is no list/],
  ],
  output: [
    ['-1', /output is -1, not from 0/],
    ['1.5', /output is neither a whole number nor a string/],
    ['null', /output is neither a whole number nor a string/],
    ['logits', /output is no JSON/],
  ],
  model_sha256: [
    ['', /model_sha256 is empty/],
    ['abc', /model_sha256 is not 64 hexadecimal digits/],
    ['A'.repeat(64), /model_sha256 is not 64 hexadecimal digits in lower case/],
    [`${'a'.repeat(64)} `, /model_sha256 is not 64 hexadecimal digits/],
  ],
  libtorch_version: [
    ['', /libtorch_version is no version, ''/],
    ['2.11.0,2.15.0', /libtorch_version is no version/],
    ['2.11.0, ', /libtorch_version is no version, ''/],
  ],
  nacue_version: [['0.1 beta', /nacue_version is no version, '0\.1 beta'/]],
};

const required = [
  'preset',
  'binning',
  'aggregation',
  'layers',
  'execution_order',
  'm_bins',
  'alpha',
  'o_star',
  'reduce',
  'layer_weights',
  'samples',
  'libtorch_version',
  'nacue_version',
  'format_version',
];

export const noFit: Case[] = [
  ['no metadata', header(/"__metadata__":\{[^}]*\},/, ''), /do not say that nacue wrote it/],
  ['nothing at all', only('{}'), /do not say that nacue wrote it/],
  ['weights of a model', () => weightsFile(), /do not say that nacue wrote it/],
  ['metadata without format', metadata({ format: undefined }), /do not say that nacue wrote it/],
  ...required.map(
    (key): Case => [`metadata without ${key}`, metadata({ [key]: undefined }), new RegExp(`its metadata lack ${key}$`)],
  ),
  ['an unknown key', metadata({ seed: '1' }), /its metadata have the unknown key 'seed'/],
  ...Object.entries(badValues).flatMap(([key, values]) =>
    values.map(([value, message]): Case => [`${key} = ${value.slice(0, 40)}`, metadata({ [key]: value }), message]),
  ),
  ['a mode without its precision', metadata({ mode: 'fast' }), /its metadata lack precision$/],
  ['a precision without its mode', metadata({ precision: 'bfloat16' }), /its metadata lack mode$/],
  ...(
    [
      ['parity', 'float32', /mode has the unknown value 'parity'/],
      ['', 'float32', /mode has the unknown value ''/],
      ['Fast', 'float32', /mode has the unknown value 'Fast'/],
      ['fast', '', /precision is empty/],
      ['parity', '', /precision is empty/],
      ['fast', 'float16', /precision has the unknown value 'float16'/],
      ['fast', 'bfloat16\u0000', /precision has the unknown value 'bfloat16\?'/],
    ] as const
  ).map(
    ([mode, precision, message]): Case => [
      `mode = ${mode}, precision = ${precision}`,
      metadata({ mode, precision }),
      message,
    ],
  ),
  ['a threshold without its rate', metadata({ threshold: '-1' }), /its metadata lack threshold_tpr/],
  ['a rate without its threshold', metadata({ threshold_tpr: '0.95' }), /its metadata lack threshold$/],
  ...[
    ['0', /threshold_tpr is not above 0/] as const,
    ['1.01', /threshold_tpr is not above 0 and at most 1/] as const,
    ['"1"', /threshold_tpr is no number/] as const,
  ].map(
    ([threshold_tpr, message]): Case => [
      `threshold_tpr = ${threshold_tpr}`,
      metadata({ threshold: '-1', threshold_tpr }),
      message,
    ],
  ),
  ['threshold = NaN', metadata({ threshold: 'NaN', threshold_tpr: '1' }), /threshold is no JSON/],
  [
    'openood bins of an odd M',
    metadata({ binning: 'openood', m_bins: '[12,12,12,13]' }),
    /m_bins of layer 'fc' is 13, openood bins are even/,
  ],
  [
    'openood bins of M = 2',
    metadata({ binning: 'openood', m_bins: '[12,12,12,2]' }),
    /is 2, openood bins are even and at least 4/,
  ],
  ['1025 layers', parts(manyLayers(1025)), /it has 1025 layers, not from 1 to 1024/],
  ['a layer without counts', parts(({ tensors }) => void tensors.splice(0, 1)), /it has no tensor counts\.conv1/],
  ['a layer without edges', parts(({ tensors }) => void tensors.pop()), /it has no tensor edges\.fc/],
  [
    'an unknown tensor',
    parts(({ tensors }) => void tensors.push({ name: 'x', dtype: 'U8', shape: [1], bytes: Buffer.alloc(1) })),
    /it has the unknown tensor x/,
  ],
  [
    'an unknown empty tensor',
    parts(({ tensors }) => void tensors.push({ name: 'x', dtype: 'U8', shape: [0], bytes: Buffer.alloc(0) })),
    /it has the unknown tensor x/,
  ],
  [
    'counts of another type',
    tensor('counts.fc', (counts) => (counts.dtype = 'U64')),
    /counts\.fc is no I64 with 2 dimensions/,
  ],
  [
    'counts of one dimension',
    tensor('counts.fc', (counts) => (counts.shape = [36])),
    /counts\.fc is no I64 with 2 dimensions/,
  ],
  [
    'counts of three dimensions',
    tensor('counts.fc', (counts) => (counts.shape = [3, 12, 1])),
    /counts\.fc is no I64 with 2/,
  ],
  [
    'counts the other way round',
    tensor('counts.fc', (counts) => (counts.shape = [12, 3])),
    /counts\.fc has 3 bins, m_bins says 12/,
  ],
  [
    'no neurons',
    tensor('counts.fc', (counts) => Object.assign(counts, { shape: [0, 12], bytes: Buffer.alloc(0) })),
    /counts\.fc does not hold m_bins counts for each neuron/,
  ],
  [
    'edges of another type',
    tensor('edges.fc', (edges) => (edges.dtype = 'I32')),
    /edges\.fc is no F32 with 1 dimensions/,
  ],
  [
    'edges of two dimensions',
    tensor('edges.fc', (edges) => (edges.shape = [1, 13])),
    /edges\.fc is no F32 with 1 dimensions/,
  ],
  [
    'an edge too few',
    tensor('edges.fc', (edges) => Object.assign(edges, { shape: [12], bytes: edges.bytes.subarray(4) })),
    /edges\.fc does not hold 13 edges/,
  ],
  [
    'a negative count',
    counts('fc', (numbers) => moveCount(numbers, 0, 1, 100n)),
    /counts\.fc, neuron 0: bin \d+ holds -\d+$/,
  ],
  [
    'a count too many',
    counts('fc', (numbers) => addTo(numbers, 35, 1n)),
    /counts\.fc, neuron 2: the counts add up to 21, the state has 20/,
  ],
  ['a count too few', counts('avgpool', takeOne), /counts\.avgpool, neuron 0: the counts add up to 19/],
  [
    'counts that wrap around to the right sum',
    counts('fc', wrapCounts),
    /counts\.fc, neuron 0: the counts add up to more than 2\^64/,
  ],
  [
    'the least count',
    counts('fc', (numbers) => void numbers.fill(-(2n ** 63n), 0, 1)),
    /neuron 0: bin 0 holds -9223372036854775808/,
  ],
  [
    'edges that decrease',
    edges((numbers) => void numbers.subarray(3, 5).reverse()),
    /edges\.conv1: edge 4 is less than the one before/,
  ],
  ['an edge that is NaN', edge(5, Number.NaN), /edges\.conv1: edge 5 is less/],
  ['a negative edge', edge(0, -1e-9), /edges\.conv1: edge 0 is less/],
  ['an edge beyond the sigmoid', edge(12, 1.3), /edges\.conv1: edge 12 .* outside of \[0, 1\.2\]/],
  ['an infinite edge', edge(12, Number.POSITIVE_INFINITY), /edges\.conv1: edge 12 /],
];

/** safetensors as Python writes a model's weights. */
const weightsFile = () =>
  joinFile(
    '{"__metadata__":{"format":"pt"},"fc.weight":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    Buffer.alloc(8),
  );

function manyLayers(count: number): (parts: StateFile) => void {
  const list = (item: string) => `[${Array.from({ length: count }, () => item).join()}]`;
  return (file) => {
    const indices = Array.from({ length: count }, (_, i) => i);
    Object.assign(file.metadata, {
      layers: JSON.stringify(indices.map(String)),
      execution_order: JSON.stringify(indices),
      m_bins: list('12'),
      alpha: list('1'),
      o_star: list('1'),
      reduce: list('"auto"'),
      layer_weights: list('1'),
    });
  };
}

function moveCount(counts: BigInt64Array, from: number, to: number, by: bigint): void {
  addTo(counts, from, -by);
  addTo(counts, to, by);
}

function addTo(counts: BigInt64Array, bin: number, count: bigint): void {
  counts[bin] = (counts[bin] as bigint) + count;
}

function takeOne(counts: BigInt64Array): void {
  addTo(
    counts,
    counts.findIndex((count) => count > 0n),
    -1n,
  );
}

/** Four quarters of 2^64 more in the first row: as unsigned numbers of 64 bits they add up to nothing. */
function wrapCounts(counts: BigInt64Array): void {
  for (let bin = 0; bin < 4; ++bin) addTo(counts, bin, 2n ** 62n);
}
