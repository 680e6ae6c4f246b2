/**
 * What a command is: tables of its arguments and options, from which the parser and --help are made, and what it runs.
 *
 * A command's file is loaded whenever `nacue` starts, for its tables. What it needs for its work it imports inside of
 * `run`.
 */
import type { ExitCode } from './exit-codes.js';

interface Flag {
  kind: 'flag';
  summary: string;
}

interface Text {
  kind: 'text';
  /** What --help calls the value, for example `DIR`. */
  value: string;
  summary: string;
}

export type Option = Flag | Text;

/** Options by the name they have in code: `minAuroc` is `--min-auroc` on the command line. */
export type OptionTable = Readonly<Record<string, Option>>;

type ValueOf<O extends Option> = O extends Flag ? boolean : string | undefined;

export type OptionValues<Options extends OptionTable> = { readonly [Name in keyof Options]: ValueOf<Options[Name]> };

/** The positional arguments, any number of them. */
export interface Arguments {
  value: string;
  summary: string;
}

export interface Example {
  line: string;
  summary: string;
}

export interface Invocation<Options extends OptionTable> {
  args: readonly string[];
  options: OptionValues<Options>;
  /** Every command has --verbose: it shows what LibTorch, pip or the compiler said. */
  verbose: boolean;
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP. */
  signal: AbortSignal;
}

export interface Command<Options extends OptionTable = OptionTable> {
  name: string;
  summary: string;
  args?: Arguments;
  options: Options;
  examples: readonly Example[];
  run(invocation: Invocation<Options>): Promise<ExitCode>;
}

export interface CommandGroup {
  name: string;
  summary: string;
  commands: readonly Command[];
}

/** Gives `run` the types of its own option table. */
export function defineCommand<const Options extends OptionTable>(command: Command<Options>): Command<Options> {
  return command;
}
