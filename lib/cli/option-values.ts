/** Values of options: from the words of a command line or an environment variable, and from JSON; both strict. */
import type { Choice, Integer, List, Option, Real } from './command.js';
import { UsageError } from './exit-codes.js';

export type OptionValue = boolean | number | string | (number | string)[];

type Scalar = {
  of: 'text' | 'integer' | 'number';
  min?: number;
  max?: number;
  aboveMin?: true;
  words?: readonly string[];
};

const wholeNumber = /^[+-]?\d+$/;
const decimalNumber = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i;
const yes = ['1', 'true', 'yes', 'on'];
const no = ['0', 'false', 'no', 'off'];

/** @param name how the message calls it: `--batch-size`, `NACUE_BATCH_SIZE` */
export function valueOfWords(name: string, option: Option, words: readonly string[]): OptionValue {
  const last = words.at(-1) as string;
  switch (option.kind) {
    case 'flag':
      return flagOf(name, last);
    case 'text':
    case 'path':
      return nonEmpty(name, last);
    case 'choice':
      return choiceOf(name, option, last);
    case 'list': {
      const items = option.repeated ? words : words.flatMap((word) => word.split(','));
      return items.map((item) => scalarOfWord(name, option, item.trim()));
    }
    default:
      return scalarOfWord(name, scalarOf(option), last);
  }
}

/** @param name how the message calls it: `batchSize in nacue.config.json` */
export function valueOfJson(name: string, option: Option, value: unknown): OptionValue {
  switch (option.kind) {
    case 'flag':
      if (typeof value !== 'boolean') throw wrong(name, 'true or false', value);
      return value;
    case 'text':
    case 'path':
      if (typeof value !== 'string') throw wrong(name, 'a text', value);
      return nonEmpty(name, value);
    case 'choice':
      return choiceOf(name, option, value);
    case 'list': {
      const items: unknown[] = Array.isArray(value) ? value : [value];
      if (items.length === 0) throw wrong(name, 'a list with at least one value', value);
      return items.map((item) => checkScalar(name, option, item));
    }
    default:
      return checkScalar(name, scalarOf(option), value);
  }
}

function scalarOf(option: Integer | Real): Scalar {
  return { ...option, of: option.kind };
}

function scalarOfWord(name: string, scalar: Scalar | List, word: string): number | string {
  const words = 'words' in scalar ? (scalar.words ?? []) : [];
  if (scalar.of === 'text' || words.includes(word)) return checkScalar(name, scalar, word);
  const pattern = scalar.of === 'integer' ? wholeNumber : decimalNumber;
  return checkScalar(name, scalar, pattern.test(word) ? Number(word) : word);
}

function checkScalar(name: string, scalar: Scalar | List, value: unknown): number | string {
  const words = 'words' in scalar ? (scalar.words ?? []) : [];
  if (scalar.of === 'text') {
    if (typeof value !== 'string') throw wrong(name, 'a text', value);
    return nonEmpty(name, value);
  }
  if (typeof value === 'string' && words.includes(value)) return value;
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY, aboveMin } = scalar;
  const isRight = scalar.of === 'integer' ? Number.isSafeInteger(value) : Number.isFinite(value);
  const number = value as number;
  if (isRight && number <= max && (aboveMin ? number > min : number >= min)) return number;
  throw wrong(name, expectedNumber(scalar, words), value);
}

function expectedNumber({ of, min, max, aboveMin }: Scalar | List, words: readonly string[]): string {
  const least = min === undefined ? '' : ` ${aboveMin ? '>' : '>='} ${min}`;
  const most = max === undefined ? '' : `${least === '' ? '' : ' and'} <= ${max}`;
  return [`a ${of === 'integer' ? 'whole ' : ''}number${least}${most}`, ...words].join(' or ');
}

function choiceOf(name: string, { choices }: Choice, value: unknown): string {
  if (typeof value === 'string' && choices.includes(value)) return value;
  throw wrong(name, `one of ${choices.join(', ')}`, value);
}

function flagOf(name: string, word: string): boolean {
  const isYes = yes.includes(word.toLowerCase());
  if (!isYes && !no.includes(word.toLowerCase())) throw wrong(name, '1 or 0, true or false', word);
  return isYes;
}

function nonEmpty(name: string, value: string): string {
  if (value === '') throw wrong(name, 'a text that is not empty', value);
  return value;
}

function wrong(name: string, expected: string, value: unknown): UsageError {
  return new UsageError(
    `${name} must be ${expected}, received ${typeof value === 'number' ? value : JSON.stringify(value)}`,
  );
}
