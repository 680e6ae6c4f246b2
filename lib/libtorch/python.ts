/** Asks a Python where its torch lies, without importing it, which would take seconds. */
import { spawnSync } from 'node:child_process';
import type { Environment } from './search.js';

const timeoutMs = 20_000;

export const notInstalled = 'not installed';

// The working folder is left out of the search before anything else is imported: what lies in it is no installed package, and must not
// run. The mark tells the answer from what a Python prints on its own account.
const mark = 'torch lies in ';
const findTorch = `
import sys
sys.path = [entry for entry in sys.path if entry]
import importlib.util
spec = importlib.util.find_spec("torch")
print("${mark}" + ((spec.submodule_search_locations or [""])[0] if spec else ""))
`;

export function torchOfPython(python: string, env: Environment): { dir: string } | { problem: string } {
  const run = spawnSync(python, ['-c', findTorch], {
    encoding: 'utf8',
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL', // a program may ignore a gentler one
  });
  if (run.error) {
    return { problem: 'code' in run.error && run.error.code === 'ENOENT' ? notInstalled : run.error.message };
  }
  if (run.status !== 0) {
    return { problem: run.stderr.trim().split('\n').at(-1) || `ended with ${run.signal ?? run.status}` };
  }
  const answer = run.stdout.split('\n').find((line) => line.startsWith(mark));
  const dir = answer?.slice(mark.length).trim();
  return dir ? { dir } : { problem: 'has no torch' };
}
