/** Runs a command: what signals do, what is said of a failure, and which exit code it has. */
import { debuglog } from 'node:util';
import { messageOf, NacueError } from '../errors.js';
import { onOneLine } from '../printable.js';
import { commands } from './commands.js';
import { type ExitCode, exitCodeOf, exitCodes } from './exit-codes.js';
import { withFlags } from './option-text.js';
import { type Parsed, usageLine } from './parser.js';
import { checkArguments, resolveOptions } from './settings.js';
import { tell } from './terminal.js';

/** 128 + the signal's number, as shells have it. */
const exitCodeBySignal = { SIGINT: exitCodes.interrupted, SIGTERM: 143, SIGHUP: 129 };

export async function execute(parsed: Parsed): Promise<void> {
  const interrupt = new AbortController();
  let interruptedWith: number | undefined;
  for (const [signal, code] of Object.entries(exitCodeBySignal)) {
    process.on(signal, () => {
      // The second one is from somebody who will not wait for an orderly end.
      if (interrupt.signal.aborted) process.exit(code);
      interruptedWith = code;
      interrupt.abort();
    });
  }
  const code = await exitCodeAfter(parsed, interrupt.signal);
  process.exitCode = interruptedWith ?? code;
}

async function exitCodeAfter(parsed: Parsed, signal: AbortSignal): Promise<ExitCode> {
  const { command, args } = parsed;
  const verbose = parsed.verbose || debuglog('nacue').enabled;
  try {
    const options = resolveOptions(parsed, commands);
    checkArguments(parsed);
    const code = await command.run({ args, options, verbose, signal });
    return signal.aborted ? exitCodes.interrupted : code;
  } catch (error) {
    if (signal.aborted) {
      tell('nacue: interrupted');
      return exitCodes.interrupted;
    }
    tell(lineOf(error, parsed));
    if (verbose) tell(detailOf(error));
    return exitCodeOf(error);
  }
}

function lineOf(error: unknown, { command, words }: Parsed): string {
  if (exitCodeOf(error) === exitCodes.usage) return onOneLine(usageLine(words, withFlags(messageOf(error), command)));
  const line = `nacue: ${withFlags(messageOf(error), command)}`;
  return isExplained(error) ? line : onOneLine(line);
}

/** What is missing on a machine is said on several lines: what was looked at, and what to do. */
function isExplained(error: unknown): boolean {
  return (
    error instanceof NacueError &&
    /^ERR_NACUE_(LIBTORCH_\w+|LOAD_FAILED|CACHE|BUILD|PLATFORM|DEVICE_UNAVAILABLE)$/.test(error.code)
  );
}

function detailOf(error: unknown): string {
  if (error instanceof NacueError && error.detail !== undefined) return error.detail;
  return error instanceof Error ? (error.stack ?? '') : '';
}
