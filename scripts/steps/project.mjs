/** What every script here shares: where the project is, how to say something, how to fail. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** An installed package has neither a lockfile nor TypeScript to compile. */
export const isCheckout = existsSync(path.join(root, 'tsconfig.json'));

/** A failure the person at the keyboard can do something about: printed without a stack. */
export class Problem extends Error {
  /** @param {string} message @param {string[]} [fixes] */
  constructor(message, fixes = []) {
    super([message, ...numbered(fixes)].join('\n'));
  }
}

/** @param {string} step @param {string} text */
export function say(step, text) {
  console.log(`${step}: ${text}`);
}

/**
 * Runs a script's body; a Problem, or a NacueError from dist/, ends it with its text and exit code 1.
 * @param {() => Promise<void> | void} body
 */
export async function main(body) {
  try {
    await body();
  } catch (error) {
    if (!(error instanceof Problem) && error?.name !== 'NacueError') throw error;
    console.error(`\n${error.message}`);
    process.exitCode = 1;
  }
}

function numbered(fixes) {
  return fixes.length === 0 ? [] : ['To fix it, one of:', ...fixes.map((fix, index) => `  ${index + 1}. ${fix}`)];
}
