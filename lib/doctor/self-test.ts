/** A real model, created, fitted and scored in a child process: what ends that process becomes a row of the report. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { buildCommand, installCommand } from '../package.js';
import { ok, problem } from './check.js';
import { type Check, type SelfTest, untested } from './diagnosis.js';

const timeoutMs = 120_000;
const pipesMs = 1000;
const keptOutput = 2000;
const crashFix =
  'try a complete LibTorch of its own (`npx nacue libtorch install`); if that ends the same way, report it with --json';

export async function runSelfTest(signal?: AbortSignal): Promise<SelfTest> {
  const child = fork(path.join(__dirname, 'self-test-child.js'), [], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    ...(signal && { signal }),
  });
  let result: SelfTest | undefined;
  let output = '';
  child.on('message', (message) => {
    result = message as SelfTest;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-keptOutput);
  });
  closePipesAfterExit(child);
  const started = performance.now();
  const [code, endedBy] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  // Even after it reported: what crashes at exit would crash the user's program there too.
  if (result && code === 0) return result;
  const how =
    performance.now() - started >= timeoutMs ? `took longer than ${timeoutMs / 1000} s` : endOf(code, endedBy);
  const message = `the process of the self-test ${how}`;
  return { ...untested, failure: { code: null, message, detail: output.trim() || null } };
}

/** What the child has started may hold them open for ever. */
function closePipesAfterExit(child: ChildProcess): void {
  const close = () => {
    child.stderr?.destroy();
    if (child.connected) child.disconnect();
  };
  child.once('exit', () => setTimeout(close, pipesMs).unref());
}

export function selfTestChecks({ passed, failure, openMs, createMs, scoreMs }: SelfTest): Check[] {
  const topic = 'self-test';
  const times = Object.entries({ 'open LibTorch': openMs, 'create a detector': createMs, 'fit and score': scoreMs })
    .filter((entry): entry is [string, number] => entry[1] !== null)
    .map(([name, ms]) => ok(topic, name, `${Math.round(ms)} ms`));
  if (passed) return [...times, ok(topic, 'result', 'counts and scores are those of pytorch-ood')];
  const firstLine = failure?.message.split('\n')[0] ?? '';
  const value = failure?.code ? `${firstLine} (${failure.code})` : firstLine;
  return [...times, problem(topic, 'result', value, fixFor(failure?.code ?? null))];
}

/** In one line; the verdict has what else there is to do. */
function fixFor(code: string | null): string {
  const install = `${process.env.NACUE_LIBTORCH ? 'unset NACUE_LIBTORCH and ' : ''}${installCommand()}`;
  switch (code) {
    case null:
      return crashFix;
    case 'ERR_NACUE_LIBTORCH_NOT_FOUND':
      return install;
    case 'ERR_NACUE_LIBTORCH_VERSION':
      return `${install}, or ${buildCommand()} for the LibTorch that is there`;
    case 'ERR_NACUE_LOAD_FAILED':
      return `${install}; where it is nacue's own binary that cannot be opened, ${buildCommand()}`;
    case 'ERR_NACUE_PLATFORM':
      return 'run it on Linux x64 with glibc, for example in a container';
    case 'ERR_NACUE_LIBTORCH_CONFLICT':
      return 'take out of NODE_OPTIONS and LD_PRELOAD what opens another LibTorch';
    case 'ERR_NACUE_OUT_OF_MEMORY':
      return 'give this process more memory';
    default:
      return 'report it with the output of `npx nacue doctor --json`';
  }
}

function endOf(code: number | null, endedBy: NodeJS.Signals | null): string {
  if (endedBy === 'SIGKILL') return 'was killed (SIGKILL): is there too little memory?';
  return `ended with ${endedBy ?? `exit code ${code}`}`;
}
