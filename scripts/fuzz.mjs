/**
 * Feeds the reader of the state file with bytes that libFuzzer makes up, under the sanitizers: npm run test:fuzz [-- --seconds N]
 *
 * Starts from the corpus in native/fuzz, which stays as it is. A finding fails the run; the bytes that caused it stay in
 * build/fuzz.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { outputOf, run } from './steps/command.mjs';
import { main, Problem, root, say } from './steps/project.mjs';

const target = 'state_reader';
const sources = path.join(root, 'native', 'fuzz');
const output = path.join(root, 'build', 'fuzz');
const compilers = ['clang++', ...[19, 18, 17, 16, 15, 14].map((version) => `clang++-${version}`)];
const packages = ['clang-14', 'libclang-rt-14-dev'];
const compileFlags = ['-std=c++20', '-O1', '-g1', '-fno-omit-frame-pointer', '-fno-sanitize-recover=all'];
const limits = ['-max_len=65536', '-rss_limit_mb=2048', '-malloc_limit_mb=64', '-timeout=5'];

await main(async () => {
  const seconds = parseSeconds();
  mkdirSync(output, { recursive: true });
  const program = compileTarget(findCompiler() ?? installCompiler());

  const corpus = mkdtempSync(path.join(os.tmpdir(), 'nacue-fuzz-'));
  try {
    cpSync(path.join(sources, 'corpus', target), corpus, { recursive: true });
    say('fuzz', `${target} for ${seconds} s`);
    await fuzz(program, corpus, seconds);
  } finally {
    rmSync(corpus, { recursive: true });
  }
  console.log('\n  1 passing');
});

function parseSeconds() {
  const { seconds } = parseArgs({ options: { seconds: { type: 'string', default: '30' } } }).values;
  if (!/^[1-9]\d{0,5}$/.test(seconds)) throw new Problem(`--seconds takes a whole number > 0, not '${seconds}'.`);
  return Number(seconds);
}

/** The first clang++ that comes with libFuzzer; undefined when there is none. */
function findCompiler() {
  const wanted = ['libclang_rt.fuzzer-x86_64.a', 'libclang_rt.fuzzer.a'];
  return compilers.find((compiler) =>
    wanted.some((library) => outputOf(compiler, [`-print-file-name=${library}`])?.startsWith('/')),
  );
}

function installCompiler() {
  const install = `apt-get install -y ${packages.join(' ')}`;
  const missing = new Problem('Fuzzing needs a clang++ with libFuzzer.', [
    `Debian 12: \`${install}\``,
    `Ubuntu, newer Debian: the same packages of a version from 14 to 19`,
  ]);
  if (process.getuid?.() !== 0 || outputOf('apt-get', ['--version']) === null) throw missing;
  say('fuzz', `installing ${packages.join(' and ')} (apt-get)`);
  const installation = ['install', '-y', '-qq', '--no-install-recommends', ...packages];
  if (outputOf('apt-get', installation) === null) {
    run('apt-get', ['update', '-qq']);
    run('apt-get', installation);
  }
  const compiler = findCompiler();
  if (!compiler) throw missing;
  return compiler;
}

function compileTarget(compiler) {
  say('fuzz', `compiling with ${compiler}`);
  const native = path.join(root, 'native');
  const reader = readdirSync(path.join(native, 'state')).filter((name) => name.endsWith('.cc'));
  const files = [path.join(sources, `${target}_fuzzer.cc`), ...reader.map((name) => path.join(native, 'state', name))];
  const program = path.join(output, `${target}_fuzzer`);
  const sanitize = '-fsanitize=fuzzer,address,undefined';
  run(compiler, [...compileFlags, sanitize, `-I${native}`, ...files, '-o', program]);
  return program;
}

async function fuzz(program, corpus, seconds) {
  const reproducers = path.join(output, `${target}-`);
  const dictionary = path.join(sources, `${target}.dict`);
  const options = [`-max_total_time=${seconds}`, `-dict=${dictionary}`, `-artifact_prefix=${reproducers}`, ...limits];
  const fuzzer = spawn(program, [...options, '-print_final_stats=1', corpus], {
    cwd: output,
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  const closed = once(fuzzer, 'close');
  const log = await textOf(fuzzer.stderr);
  const [status] = await closed;
  const executions = log.match(/stat::number_of_executed_units:\s*(\d+)/)?.[1];
  const coverage = log.match(/cov: \d+ ft: \d+/g)?.at(-1);
  if (status !== 0) {
    console.error(log.slice(-8000));
    throw new Problem(`The fuzzer found something; the bytes that show it are in ${path.relative(root, output)}.`, [
      `run \`${path.relative(root, program)} FILE\` with them`,
    ]);
  }
  say('fuzz', `${executions} executions, ${coverage}, no finding`);
}

async function textOf(stream) {
  let text = '';
  for await (const chunk of stream) text += chunk;
  return text;
}
