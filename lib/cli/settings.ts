/** Where the values of options come from: the command line, then the environment, then nacue.config.json, then the defaults. */
import type { Command, Commands, Option, OptionTable, OptionValues } from './command.js';
import { readConfigFile } from './config-file.js';
import { UsageError } from './exit-codes.js';
import { environmentName, isSetting, longFlag } from './option-text.js';
import { type OptionValue, valueOfWords } from './option-values.js';

/** What the parser found: nothing for an option that was not given, else true or false for a flag, all its words for others. */
export type GivenOptions = Readonly<Record<string, boolean | readonly string[] | undefined>>;

interface CommandLine {
  command: Command;
  words: readonly string[];
  given: GivenOptions;
}

export function resolveOptions({ command, words, given }: CommandLine, commands: Commands): OptionValues<OptionTable> {
  const configured = command.configurable ? readConfigFile(configOf(given), words, commands) : new Map();
  const values = Object.entries(command.options).map(([name, option]) => {
    const value =
      ofCommandLine(name, option, given[name]) ??
      (isSetting(command, option) ? (ofEnvironment(name, option) ?? configured.get(name)) : undefined) ??
      defaultOf(option);
    if (value === undefined && 'required' in option) throw new UsageError(`${longFlag(name)} is missing`);
    return [name, value] as const;
  });
  return Object.fromEntries(values) as OptionValues<OptionTable>;
}

/** Only what the tables can tell; the parser has counted them. */
export function checkArguments({ command, args }: { command: Command; args: readonly string[] }): void {
  for (const [i, { value, choices }] of (command.args ?? []).entries()) {
    if (choices === undefined || args[i] === undefined || choices.includes(args[i])) continue;
    throw new UsageError(`${value} must be one of ${choices.join(', ')}, received ${JSON.stringify(args[i])}`);
  }
}

function ofCommandLine(name: string, option: Option, given: GivenOptions[string]): OptionValue | undefined {
  if (given === undefined || typeof given === 'boolean') return given as boolean | undefined;
  return valueOfWords(longFlag(name), option, given);
}

/** An empty variable counts as none. */
function ofEnvironment(name: string, option: Option): OptionValue | undefined {
  const word = process.env[environmentName(name)];
  return word ? valueOfWords(environmentName(name), option, [word]) : undefined;
}

function configOf({ config }: GivenOptions): string | undefined {
  return (Array.isArray(config) ? (config.at(-1) as string) : process.env.NACUE_CONFIG) || undefined;
}

function defaultOf(option: Option): OptionValue | undefined {
  if (option.kind === 'flag') return false;
  return 'default' in option ? option.default : undefined;
}
