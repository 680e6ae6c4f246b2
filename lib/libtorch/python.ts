/** Asks a Python where its torch lies, without importing it, which would take seconds. */
import { spawnSync } from 'node:child_process';
import type { Environment } from './search.js';

const timeoutMs = 20_000;

export const notInstalled = 'not installed';

// The working folder is left out of the search: a folder called torch in it is not an installed package.
const findTorch = `
import importlib.util, sys
sys.path = [entry for entry in sys.path if entry]
spec = importlib.util.find_spec("torch")
print((spec.submodule_search_locations or [""])[0] if spec else "")
`;

export function torchOfPython(python: string, env: Environment): { dir: string } | { problem: string } {
  const run = spawnSync(python, ['-c', findTorch], {
    encoding: 'utf8',
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
  });
  if (run.error) {
    return { problem: 'code' in run.error && run.error.code === 'ENOENT' ? notInstalled : run.error.message };
  }
  if (run.status !== 0) {
    return { problem: run.stderr.trim().split('\n').at(-1) || `ended with ${run.signal ?? run.status}` };
  }
  const dir = run.stdout.trim().split('\n').at(-1);
  return dir ? { dir } : { problem: 'has no torch' };
}
