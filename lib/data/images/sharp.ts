/** The package `sharp`, an optional dependency: opened when the first image is read. */
import { messageOf, NacueError } from '../../errors.js';

export type Sharp = typeof import('sharp');

let opening: Promise<Sharp> | undefined;

/** @throws NacueError `ERR_NACUE_OPTIONAL_DEPENDENCY` */
export function loadSharp(): Promise<Sharp> {
  opening ??= open();
  return opening;
}

async function open(): Promise<Sharp> {
  const name = 'sharp'; // not in the call: a bundler would take it in, and fail where it is not installed
  try {
    return ((await import(name)) as { default: Sharp }).default;
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && String(error.code).endsWith('MODULE_NOT_FOUND');
    const problem = missing ? 'which is not installed' : 'which cannot be loaded here';
    throw new NacueError(
      'ERR_NACUE_OPTIONAL_DEPENDENCY',
      `images are read by the package sharp, ${problem}: run \`npm install sharp\``,
      { detail: messageOf(error), cause: error },
    );
  }
}
