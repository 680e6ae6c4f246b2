/** Runs other programs, whose output goes to stderr: stdout is for the result. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Null when the program ended well, else how it ended. An abort ends it together with all that it has started. */
export async function runProgram(
  program: string,
  args: readonly string[],
  { env = process.env, signal }: { env?: NodeJS.ProcessEnv; signal: AbortSignal },
): Promise<string | null> {
  signal.throwIfAborted();
  // A process group of its own: make and the compilers would live on when only the first process is ended.
  const child = spawn(program, args, { env, stdio: ['ignore', 2, 2], detached: true });
  const started = await once(child, 'spawn').catch((error: NodeJS.ErrnoException) => error);
  if (started instanceof Error) return started.code === 'ENOENT' ? `${program} is not on PATH` : started.message;
  const stop = () => process.kill(-(child.pid as number), 'SIGTERM');
  signal.addEventListener('abort', stop);
  const [code, endedBy] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  signal.removeEventListener('abort', stop);
  return code === 0 ? null : `ended with ${endedBy ?? `exit code ${code}`}`;
}
