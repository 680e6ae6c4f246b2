/** Runs other programs. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { Problem, root } from './project.mjs';

/** Threads that sleep while they wait: the numbers are the same, and a machine with other work finishes much sooner. */
export const quietThreads = { OMP_WAIT_POLICY: 'passive' };

/**
 * Runs a program with its output on the terminal.
 * @param {string} program
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 */
export function run(program, args, options = {}) {
  const { status, signal } = start(program, args, { ...options, stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0)
    throw new Problem(`\`${[program, ...args].join(' ')}\` ended with ${signal ?? `exit code ${status}`}.`);
}

/**
 * Runs a program; its output goes to the terminal in one piece when it has ended.
 * @param {string} program
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<boolean>} whether it succeeded
 */
export async function runBeside(program, args, options = {}) {
  const child = spawn(program, args, { cwd: root, ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  const pieces = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => pieces.push(bytes));
  const [status, signal] = await once(child, 'close');
  if (signal) pieces.push(Buffer.from(`${program} was ended by ${signal}\n`));
  process.stdout.write(Buffer.concat(pieces));
  return status === 0;
}

/**
 * Runs a program quietly and returns what it printed; null when it is not installed or fails.
 * @param {string} program
 * @param {string[]} args
 */
export function outputOf(program, args) {
  const result = spawnSync(program, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return result.status === 0 ? result.stdout.trim() : null;
}

function start(program, args, options) {
  const result = spawnSync(program, args, { cwd: root, ...options });
  if (result.error) throw new Problem(`${program} cannot be started: ${result.error.message}`);
  return result;
}
