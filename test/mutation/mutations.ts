/**
 * Ways to damage a model file, after the classes in which LibTorch's loader was found to fail.
 *
 * `raw` damages bytes where they lie, which a checksum can find; `repack` damages a member and writes the archive anew with right sizes
 * and checksums, which only a look at the contents can find. What a mutation does depends on nothing but the file and the random numbers.
 */
import { below, damage, pick, type Random } from '../damage.js';
import { directoryOf, type Member, readZip, writeZip } from './zip-file.js';

type Mutation = (file: Buffer, random: Random) => Buffer;
type Contents = Pick<Member, 'name' | 'bytes' | 'deflated'>;

const isTensor = ({ name, bytes }: Contents) => /\/(data|constants)\/\d+$/.test(name) && bytes.length > 0;
const isCode = ({ name }: Contents) => name.endsWith('.py');
const isData = ({ name }: Contents) => name.endsWith('/data.pkl');
const isConstants = ({ name }: Contents) => name.endsWith('/constants.pkl');
const isDebug = ({ name }: Contents) => name.endsWith('.debug_pkl');
const isSmall = ({ name }: Contents) => /\/(version|byteorder|serialization_id)$/.test(name);
const isAny = () => true;

/** Damages the packed bytes of one member. */
const rawMember =
  (wanted: (member: Contents) => boolean): Mutation =>
  (file, random) => {
    const { data, stored } = pick(readZip(file).filter(wanted), random);
    return damage(file, data, data + stored, 8, random);
  };

/** Changes one member and repacks. */
const repackMember =
  (wanted: (member: Contents) => boolean, change: (bytes: Buffer, random: Random) => Buffer): Mutation =>
  (file, random) => {
    const members = readZip(file);
    const member = pick(members.filter(wanted), random);
    member.bytes = change(member.bytes, random);
    return writeZip(members);
  };

/** Changes the list of members and repacks. */
const repackList =
  (change: (members: Contents[], at: number, random: Random) => void): Mutation =>
  (file, random) => {
    const members: Contents[] = readZip(file);
    change(members, below(members.length, random), random);
    return writeZip(members);
  };

const flip = (bytes: Buffer, random: Random) => damage(bytes, 0, bytes.length, 4, random);

function resize(bytes: Buffer, random: Random): Buffer {
  const size = pick(
    [0, 1, bytes.length >> 1, bytes.length - 4, bytes.length - 1, bytes.length + 1, bytes.length * 2],
    random,
  );
  return Buffer.concat([bytes, Buffer.alloc(bytes.length + 1)]).subarray(0, Math.max(0, size));
}

/** Numbers, names and whole lines trade places, are lost or double. */
function changeTokens(bytes: Buffer, random: Random): Buffer {
  const lines = bytes.toString('latin1').split('\n');
  const at = below(lines.length, random);
  const line = lines[at] as string;
  const tokens = line.split(/\b/);
  const token = below(tokens.length, random);
  const changes = [
    () => lines.splice(at, 1),
    () => lines.splice(at, 0, line),
    () => lines.splice(below(lines.length, random), 0, line),
    () =>
      (tokens[token] = pick(
        ['0', '-1', '2147483648', '9223372036854775807', '1e400', 'None', 'self', 'Tensor', ''],
        random,
      )),
    () => (tokens[token] = pick(pick(lines, random).split(/\b/), random)),
    () => tokens.splice(token, 1),
  ];
  const change = pick(changes, random);
  change();
  return Buffer.from((changes.indexOf(change) < 3 ? lines : lines.with(at, tokens.join(''))).join('\n'), 'latin1');
}

/** The operand of an integer or memo opcode gets another value, or that of another such opcode: other objects, other classes. */
function changeOperand(bytes: Buffer, random: Random): Buffer {
  const opcodes = pick(['h', 'h', 'q', 'K', 'MJ', 'X'], random);
  const operands: number[] = [];
  for (let at = 2; at < bytes.length - 1; ++at) {
    if (opcodes.includes(String.fromCharCode(bytes[at - 1] as number))) operands.push(at);
  }
  if (operands.length === 0) return bytes;
  const at = pick(operands, random);
  if (random() < 0.3) return damage(bytes, at, at + 1, 1, random);
  const changed = Buffer.from(bytes);
  changed[at] = bytes[pick(operands, random)] as number;
  return changed;
}

function swapRuns(bytes: Buffer, random: Random): Buffer {
  const size = 1 + below(Math.min(16, bytes.length >> 2), random);
  const [from, to] = [below(bytes.length - size, random), below(bytes.length - size, random)];
  const swapped = Buffer.from(bytes);
  bytes.copy(swapped, to, from, from + size);
  bytes.copy(swapped, from, to, to + size);
  return swapped;
}

export const mutations: Record<string, Mutation> = {
  'raw.anywhere': (file, random) => damage(file, 0, file.length, 8, random),
  'raw.tensor': rawMember(isTensor),
  'raw.code': rawMember(isCode),
  'raw.pickle': rawMember((member) => isData(member) || isConstants(member)),
  'raw.zip_local': (file, random) => {
    const { header, data } = pick(readZip(file), random);
    return damage(file, header, data, 4, random);
  },
  'raw.zip_directory': (file, random) => damage(file, directoryOf(file), file.length - 98, 4, random),
  'raw.zip_end': (file, random) => damage(file, file.length - 98, file.length, 4, random),
  'raw.truncate': (file, random) => Buffer.from(file.subarray(0, below(file.length, random))),
  'raw.cut_out': (file, random) => {
    const at = below(file.length, random);
    return Buffer.concat([file.subarray(0, at), file.subarray(at + 1 + below(200, random))]);
  },
  'raw.insert': (file, random) => {
    const at = below(file.length, random);
    return Buffer.concat([file.subarray(0, at), file.subarray(0, below(200, random)), file.subarray(at)]);
  },
  'raw.zeros': (file, random) => {
    const at = below(file.length, random);
    return Buffer.from(file).fill(0, at, Math.min(file.length, at + 1 + below(500, random)));
  },
  'repack.nothing': (file) => writeZip(readZip(file)),
  'repack.tensor_bytes': repackMember(isTensor, flip),
  'repack.tensor_size': repackMember(isTensor, resize),
  'repack.code_bytes': repackMember(isCode, flip),
  'repack.code_tokens': repackMember(isCode, changeTokens),
  'repack.pickle_bytes': repackMember(isData, flip),
  'repack.pickle_operand': repackMember(isData, changeOperand),
  'repack.pickle_swap': repackMember(isData, swapRuns),
  'repack.constants': repackMember(isConstants, flip),
  'repack.debug_bytes': repackMember(isDebug, flip),
  'repack.small_record': repackMember(isSmall, flip),
  'repack.cut_member': repackMember(isAny, (bytes, random) => bytes.subarray(0, below(bytes.length + 1, random))),
  'repack.remove': repackList((members, at) => members.splice(at, 1)),
  'repack.rename': repackList((members, at, random) => {
    const member = members[at] as Contents;
    member.name = flip(Buffer.from(member.name, 'latin1'), random).toString('latin1');
  }),
  'repack.duplicate': repackList((members, at, random) => {
    members.push({ ...(members[at] as Contents), bytes: (pick(members, random) as Contents).bytes });
  }),
  'repack.exchange': repackList((members, at, random) => {
    const [one, other] = [members[at] as Contents, pick(members, random)];
    [one.bytes, other.bytes] = [other.bytes, one.bytes];
  }),
};
