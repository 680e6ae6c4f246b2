/** Feeds commander with the tables of the commands. */
import { Command as Parser, Option as ParserOption } from 'commander';
import { onOneLine } from '../printable.js';
import type { Command, CommandGroup, Commands, Option, OptionTable, OptionValues } from './command.js';
import { argumentMeaning, argumentText, flagsOf, longFlag, meaningOf } from './option-text.js';
import type { GivenOptions } from './settings.js';

/** A command line that was understood. */
export interface Parsed {
  command: Command;
  /** The words that call it, for example `libtorch remove`. */
  words: readonly string[];
  args: readonly string[];
  given: GivenOptions;
  verbose: boolean;
}

type Execute = (parsed: Parsed) => Promise<void>;

const description = 'Tells whether an input is out-of-distribution for a PyTorch classifier (NAC-UE on LibTorch).';

/** Options that every command has, and that a configurable one has. */
const everywhere = {
  verbose: { kind: 'flag', summary: 'also print what other programs and LibTorch said' },
} as const satisfies OptionTable;
const ifConfigurable = {
  config: { kind: 'path', value: 'FILE', summary: 'the configuration in place of the nearest nacue.config.json' },
} as const satisfies OptionTable;

/** `execute` runs what was parsed; for all else (help, version, wrong usage) commander throws a CommanderError. */
export function createParser(version: string, commands: Commands, execute: Execute): Parser {
  // Options belong to the command they stand behind: `nacue --version`, but `nacue libtorch install --version 2.15`.
  const program = new Parser('nacue').description(description).version(version).enablePositionalOptions();
  sayUsageErrorsIn(program, []);
  for (const entry of commands) {
    if (!('commands' in entry)) addCommand(program, entry, [], execute);
    else addGroup(program, entry, execute);
  }
  return program;
}

/** One line for a command line that is wrong. */
export function usageLine(words: readonly string[], problem: string): string {
  return `nacue: ${problem}; see \`${['nacue', ...words].join(' ')} --help\``;
}

/** All options that a command takes, its own first. */
export function optionsOf(command: Command): OptionTable {
  return { ...command.options, ...(command.configurable && ifConfigurable), ...everywhere };
}

function addGroup(program: Parser, group: CommandGroup, execute: Execute): void {
  const parser = program.command(group.name).description(group.summary);
  sayUsageErrorsIn(parser, [group.name]);
  for (const command of group.commands) addCommand(parser, command, [group.name], execute);
}

function addCommand(parent: Parser, command: Command, parentWords: readonly string[], execute: Execute): void {
  const words = [...parentWords, command.name];
  const parser = parent.command(command.name).description(command.summary);
  sayUsageErrorsIn(parser, words);
  for (const argument of command.args ?? []) parser.argument(argumentText(argument), argumentMeaning(argument));
  for (const [name, option] of Object.entries(optionsOf(command))) addOption(parser, name, option, command);
  parser.addHelpText('after', ['', ...exampleLines(command)].join('\n'));
  parser.action(() => {
    const given = parser.opts<OptionValues<OptionTable> & GivenOptions>();
    return execute({ command, words, args: parser.args, given, verbose: given.verbose === true });
  });
}

function addOption(parser: Parser, name: string, option: Option, command: Command): void {
  const made = new ParserOption(flagsOf(name, option), meaningOf(option));
  if (option.group !== undefined) made.helpGroup(`${option.group}:`);
  if (option.kind !== 'flag') made.argParser((word: string, before: string[] = []) => [...before, word]);
  parser.addOption(made);
  // So that the command line can take back what the environment or a file has set.
  if (option.kind === 'flag' && command.configurable) {
    parser.addOption(new ParserOption(`--no-${longFlag(name).slice(2)}`).hideHelp());
  }
}

function exampleLines({ examples }: Command): string[] {
  const width = Math.max(...examples.map(({ line }) => line.length));
  return ['Examples:', ...examples.map(({ line, summary }) => `  ${line.padEnd(width)}  ${summary}`)];
}

function sayUsageErrorsIn(parser: Parser, words: readonly string[]): void {
  parser.exitOverride().configureOutput({
    outputError: (text, write) => write(`${onOneLine(usageLine(words, oneLine(text)))}\n`),
  });
}

/** commander puts what was perhaps meant on a line of its own. */
function oneLine(text: string): string {
  return text
    .replace(/^error: /, '')
    .trim()
    .replace(/\.?\n/g, ' ')
    .replace(/\.$/, '');
}
