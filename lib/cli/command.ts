/**
 * What a command is: tables of its arguments and options, and what it runs.
 *
 * From the tables come the parser, --help, the tables of docs/cli.md, the schema of nacue.config.json and the completion of shells.
 * A command's file is loaded whenever `nacue` starts, for its tables. What it needs for its work it imports inside of `run`.
 */
import type { ExitCode } from './exit-codes.js';

interface Described {
  summary: string;
  /** What happens when it is not given, where that is no value of its own. */
  otherwise?: string;
  /** The heading of --help under which it stands; default `Options`. */
  group?: string;
  /** For example `o`: then it is also `-o`. */
  short?: string;
  /** What belongs to one run only: no environment variable and no configuration file sets it. */
  commandLineOnly?: true;
}

/** What --help calls the value, for example `DIR`. */
interface Named {
  value: string;
  required?: true;
}

interface Range {
  min?: number;
  max?: number;
}

export interface Flag extends Described {
  kind: 'flag';
}

export interface Text extends Described, Named {
  kind: 'text';
  default?: string;
}

/** A file or folder: shells complete it, and in a configuration file it is relative to that file. */
export interface Path extends Described, Named {
  kind: 'path';
  default?: string;
}

export interface Integer extends Described, Named, Range {
  kind: 'integer';
  /** What may stand in place of the number. */
  words?: readonly string[];
  default?: number | string;
}

export interface Real extends Described, Named, Range {
  kind: 'number';
  /** min itself is too small. */
  aboveMin?: true;
  default?: number;
}

export interface Choice extends Described, Named {
  kind: 'choice';
  choices: readonly string[];
  default?: string;
}

/** Values separated by commas; or, with `repeated`, one each time that the option is given. */
export interface List extends Described, Named, Range {
  kind: 'list';
  of: 'text' | 'integer' | 'number';
  aboveMin?: true;
  repeated?: true;
}

export type Option = Flag | Text | Path | Integer | Real | Choice | List;

/** Options by the name they have in code: `minAuroc` is `--min-auroc` on the command line. */
export type OptionTable = Readonly<Record<string, Option>>;

type ItemOf<O extends Option> = O extends { of: 'text' } ? string : number;

type GivenValueOf<O extends Option> = O extends Flag
  ? boolean
  : O extends List
    ? ItemOf<O>[]
    : O extends { words: readonly (infer Word)[] }
      ? number | Word
      : O extends Integer | Real
        ? number
        : O extends { choices: readonly (infer C)[] }
          ? C
          : string;

type ValueOf<O extends Option> = O extends Flag | { default: string | number } | { required: true }
  ? GivenValueOf<O>
  : GivenValueOf<O> | undefined;

export type OptionValues<Options extends OptionTable> = { readonly [Name in keyof Options]: ValueOf<Options[Name]> };

/** A positional argument. */
export interface Argument {
  value: string;
  summary: string;
  /** Default: it may be left out. */
  required?: true;
  /** Any number of them; the last argument only. */
  variadic?: true;
  /** Nothing else may stand here; shells complete it. */
  choices?: readonly string[];
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
  args?: readonly Argument[];
  options: Options;
  /** Whether environment variables and nacue.config.json set options, too; the command then has --config. */
  configurable?: true;
  examples: readonly Example[];
  run(invocation: Invocation<Options>): Promise<ExitCode>;
}

export interface CommandGroup {
  name: string;
  summary: string;
  commands: readonly Command[];
}

export type Commands = readonly (Command | CommandGroup)[];

/** Gives `run` the types of its own option table. */
export function defineCommand<const Options extends OptionTable>(command: Command<Options>): Command<Options> {
  return command;
}

/** Every command that can be run, with the words that call it. */
export function eachCommand(commands: Commands): { words: string[]; command: Command }[] {
  return commands.flatMap((entry) =>
    'commands' in entry
      ? entry.commands.map((command) => ({ words: [entry.name, command.name], command }))
      : [{ words: [entry.name], command: entry }],
  );
}
