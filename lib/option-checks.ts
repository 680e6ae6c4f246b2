/** Checks of single option values: what is wrong is named, with what is expected and what came. */
import { invalidType, outOfRange } from './errors.js';

/** Refuses what is given as `signal` and is none. */
export function checkSignal(value: unknown): asserts value is AbortSignal | undefined {
  if (value !== undefined && !(value instanceof AbortSignal)) throw invalidType('signal', 'an AbortSignal', value);
}

export function checkObject<T extends object>(name: string, value: T): T {
  if (typeof value !== 'object' || value === null) throw invalidType(name, 'an object', value);
  return value;
}

/** Refuses what is not an options object or has a key that is none of `names`. */
export function checkKeys<T extends object>(name: string, value: T, names: readonly string[]): T {
  const unknown = Object.keys(checkObject(name, value)).find((key) => !names.includes(key));
  if (unknown !== undefined) throw outOfRange(name, `an object with the keys ${names.join(', ')}`, unknown);
  return value;
}

/** Refuses what is given as a callback and is none. */
export function checkFunction(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'function') throw invalidType(name, 'a function', value);
}

/** The path of a file or folder. */
export function checkPath(name: string, path: unknown): string {
  if (typeof path !== 'string') throw invalidType(name, 'a path', path);
  if (path === '' || path.includes('\0')) throw outOfRange(name, 'a path without NUL characters', path);
  return path;
}

/** The option `nativeBinding`: a path, or nothing. */
export function checkNativeBinding(value: unknown): string | undefined {
  return value === undefined ? undefined : checkPath('nativeBinding', value);
}

export function checkBoolean(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'boolean') throw invalidType(name, 'true or false', value);
}

export type Check<T> = (name: string, value: unknown) => T;

/** One value for all layers, or one per layer. */
export function perLayer<T>(name: string, value: unknown, standard: T, layers: number, check: Check<T>): T[] {
  if (!Array.isArray(value)) return new Array<T>(layers).fill(check(name, value === undefined ? standard : value));
  const one = typeof standard === 'number' ? 'number' : 'name';
  const items: unknown[] = Array.from(value); // map() would pass over holes; a subclass may iterate over fewer items
  if (items.length !== layers) throw outOfRange(name, `one ${one}, or one per layer (${layers})`, items);
  return items.map((item, i) => check(`${name}[${i}]`, item));
}

export function wholeNumber(
  name: string,
  value: unknown,
  least: number,
  most: number | string = Number.MAX_SAFE_INTEGER,
): number {
  const limit = typeof most === 'number' ? most : Number.MAX_SAFE_INTEGER;
  const upTo = limit === Number.MAX_SAFE_INTEGER ? '' : ` and <= ${limit}`;
  const expected = typeof most === 'string' ? most : `a whole number >= ${least}${upTo}`;
  if (typeof value !== 'number') throw invalidType(name, expected, value);
  if (!Number.isSafeInteger(value) || value < least || value > limit) throw outOfRange(name, expected, value);
  return value;
}

export function positive(name: string, value: unknown): number {
  const expected = 'a finite number > 0';
  if (typeof value !== 'number') throw invalidType(name, expected, value);
  if (!Number.isFinite(value) || value <= 0) throw outOfRange(name, expected, value);
  return value;
}

export function choice<T extends string>(name: string, value: unknown, choices: readonly T[], standard: T): T {
  if (value === undefined) return standard;
  const expected = choices.map((item) => `'${item}'`).join(' or ');
  if (typeof value !== 'string') throw invalidType(name, expected, value);
  if (!choices.includes(value as T)) throw outOfRange(name, expected, value);
  return value as T;
}
