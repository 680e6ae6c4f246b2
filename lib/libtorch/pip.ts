/** Runs the pip of a Python on PATH. */
import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { anySignal } from '../abort.js';
import type { Finding } from '../load-failure.js';
import { maskAddressesIn } from '../masked-addresses.js';
import { notInstalled } from './python.js';
import type { Environment } from './search.js';

export interface PipRun {
  env: Environment;
  signal: AbortSignal;
  /** Called several times per second; what it throws stops pip, and is thrown. */
  watch: () => void;
}

export interface PipResult {
  succeeded: boolean;
  /** The end of what pip said, without the passwords in it. */
  output: string;
}

const oldestPip = 20;
const versionTimeoutMs = 20_000;
const watchIntervalMs = 250;
const keptOutput = 8192;

// pip in a process that ends as soon as its standard input closes, however this one ends. The working folder is left
// out of the search before anything else is imported: what lies in it is neither pip nor a module of Python.
const endingWithItsParent = `
import sys
sys.path = [entry for entry in sys.path if entry]
import os, runpy, threading
def end_with_parent():
    while os.read(0, 1):
        pass
    os._exit(1)
threading.Thread(target=end_with_parent, daemon=True).start()
runpy.run_module("pip", run_name="__main__", alter_sys=True)
`;

export interface PipFinding extends Finding {
  isTooOld: boolean;
}

/** The first Python on PATH that has a pip new enough, or what was found instead. */
export async function pythonWithPip(env: Environment): Promise<{ python: string } | { findings: PipFinding[] }> {
  const findings: PipFinding[] = [];
  for (const python of ['python3', 'python']) {
    const place = `${python} on PATH`;
    const pip = await pipOf(python, env);
    if ('problem' in pip) {
      findings.push({ place, result: pip.problem, isTooOld: false });
      continue;
    }
    const isTooOld = Number.parseInt(pip.version, 10) < oldestPip;
    if (!isTooOld) return { python };
    const result = `pip ${pip.version} is too old (${oldestPip} or newer is needed)`;
    findings.push({ place, result, isTooOld });
  }
  return { findings };
}

async function pipOf(python: string, env: Environment): Promise<{ version: string } | { problem: string }> {
  try {
    const options = { env, timeout: versionTimeoutMs };
    const { stdout } = await promisify(execFile)(python, ['-c', endingWithItsParent, '--version'], options);
    return { version: stdout.match(/^pip (\S+)/m)?.[1] ?? '' };
  } catch (error) {
    const { code, stderr } = error as { code: unknown; stderr?: string };
    return {
      problem:
        code === 'ENOENT' ? notInstalled : lastLine(maskAddressesIn(stderr ?? '')) || `ended with ${String(code)}`,
    };
  }
}

export async function runPip(
  python: string,
  args: readonly string[],
  { env, signal, watch }: PipRun,
): Promise<PipResult> {
  const stop = new AbortController();
  const stopped = anySignal(signal, stop.signal);
  const pip = spawn(python, ['-c', endingWithItsParent, ...args], {
    env,
    stdio: ['pipe', 'ignore', 'pipe'],
    signal: stopped,
    killSignal: 'SIGKILL',
  });
  let output = '';
  pip.stderr.setEncoding('utf8').on('data', (piece: string) => {
    output = (output + piece).slice(-keptOutput);
  });
  const watching = setInterval(() => {
    try {
      watch();
    } catch (error) {
      stop.abort(error);
    }
  }, watchIntervalMs);
  try {
    const status = await new Promise<number | null>((resolve) => {
      // An abort and a failed start are errors too; both are followed by 'close'.
      pip.on('error', (error) => {
        output += error.message;
      });
      pip.on('close', resolve);
    });
    if (stopped.aborted) throw stopped.reason;
    return { succeeded: status === 0, output: maskAddressesIn(output.trim()) };
  } finally {
    clearInterval(watching);
  }
}

/** Why pip failed, in its own words: a lost connection is a warning, and the error that follows from it. */
export function pipReasons(output: string): string[] {
  const lastOf = (level: string) =>
    output
      .split('\n')
      .findLast((line) => line.startsWith(level))
      ?.slice(level.length);
  const reasons = [lastOf('WARNING: '), lastOf('ERROR: ') ?? lastLine(output)];
  return reasons.filter((reason) => reason !== undefined && reason !== '') as string[];
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}
