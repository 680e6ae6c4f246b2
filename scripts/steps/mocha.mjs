/** Step: mocha on test/, several files at a time. */
import os from 'node:os';
import path from 'node:path';
import { run, runBeside } from './command.mjs';
import { Problem } from './project.mjs';

/** The numbers of files that watch how late a timer is: nothing may run beside them. */
const alone = ['30', '72'];
const mostJobs = 4;

/**
 * @param {string} project a folder with test/, .mocharc.json and node_modules/
 * @param {object} options
 * @param {string[]} [options.without] the numbers of files that are left out
 * @param {string[]} [options.args] further options of mocha; with any, all runs in one process
 * @param {NodeJS.ProcessEnv} options.env
 */
export function runMocha(project, { without = [], args = [], env }) {
  const mocha = path.join(project, 'node_modules', 'mocha', 'bin', 'mocha.js');
  const start = (...options) => run(process.execPath, [mocha, ...options], { env, cwd: project });
  const ignoring = (numbers) => numbers.flatMap((number) => ['--ignore', filesOf(number)]);
  if (args.length > 0) return start(...ignoring(without), ...args);
  const jobs = Math.min(mostJobs, os.availableParallelism());
  start('--parallel', '--jobs', `${jobs}`, ...ignoring([...without, ...alone]));
  const rest = alone.filter((number) => !without.includes(number));
  start('--no-config', '--require', 'tsx', '--timeout', '60000', ...rest.map(filesOf));
}

/**
 * Runs each file in a process of its own, as many at a time as there are cores.
 * @param {string} mocha its program
 * @param {string[]} files
 * @param {object} options
 * @param {string[]} options.node options of Node.js
 * @param {string[]} options.args options of mocha
 * @param {NodeJS.ProcessEnv} options.env
 */
export async function runMochaFiles(mocha, files, { node, args, env }) {
  const waiting = [...files];
  const failed = [];
  const work = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      if (!(await runBeside(process.execPath, [...node, mocha, ...args, file], { env }))) failed.push(file);
    }
  };
  await Promise.all(Array.from({ length: Math.min(mostJobs, os.availableParallelism()) }, work));
  if (failed.length > 0) throw new Problem(`Tests failed in ${failed.join(', ')}.`);
}

function filesOf(number) {
  return `test/${number}.*.test.ts`;
}
