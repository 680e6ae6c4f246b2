/** Feeds commander with the tables of the commands. */
import { Command as Parser } from 'commander';
import type { Command, CommandGroup, Option, OptionTable, OptionValues } from './command.js';

/** A command line that was understood. */
export interface Parsed {
  command: Command;
  /** For example `nacue libtorch remove`. */
  title: string;
  args: readonly string[];
  options: OptionValues<OptionTable>;
}

const description = 'Tells whether an input is out-of-distribution for a PyTorch classifier (NAC-UE on LibTorch).';

/** `execute` runs what was parsed; for all else (help, version, wrong usage) commander throws a CommanderError. */
export function createParser(
  version: string,
  commands: readonly (Command | CommandGroup)[],
  execute: (parsed: Parsed) => Promise<void>,
): Parser {
  // Options belong to the command they stand behind: `nacue --version`, but `nacue libtorch install --version 2.15`.
  const program = new Parser('nacue').description(description).version(version).enablePositionalOptions();
  sayUsageErrorsIn(program, 'nacue');
  for (const entry of commands) {
    if (!('commands' in entry)) addCommand(program, entry, 'nacue', execute);
    else addGroup(program, entry, execute);
  }
  return program;
}

/** One line for a command line that is wrong. */
export function usageLine(title: string, problem: string): string {
  return `nacue: ${problem}; see \`${title} --help\``;
}

function addGroup(program: Parser, group: CommandGroup, execute: (parsed: Parsed) => Promise<void>): void {
  const title = `nacue ${group.name}`;
  const parser = program.command(group.name).description(group.summary);
  sayUsageErrorsIn(parser, title);
  for (const command of group.commands) addCommand(parser, command, title, execute);
}

function addCommand(
  parent: Parser,
  command: Command,
  parentTitle: string,
  execute: (parsed: Parsed) => Promise<void>,
): void {
  const title = `${parentTitle} ${command.name}`;
  const parser = parent.command(command.name).description(command.summary);
  sayUsageErrorsIn(parser, title);
  if (command.args) parser.argument(`[${command.args.value}...]`, command.args.summary);
  for (const [name, option] of Object.entries(command.options)) parser.option(flagsOf(name, option), option.summary);
  parser.option('--verbose', 'also print what other programs and LibTorch said');
  parser.addHelpText('after', ['', ...exampleLines(command)].join('\n'));
  parser.action(() => execute({ command, title, args: parser.args, options: optionsOf(command, parser) }));
}

function optionsOf(command: Command, parser: Parser): Parsed['options'] {
  const given = parser.opts<Parsed['options']>();
  const table = Object.entries(command.options);
  const values = table.map(([name, { kind }]) => [name, given[name] ?? (kind === 'flag' ? false : undefined)] as const);
  return Object.fromEntries([...values, ['verbose', given.verbose ?? false]]);
}

/** As the command line and the documentation write an option. */
export function flagsOf(name: string, option: Option): string {
  const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  return option.kind === 'flag' ? flag : `${flag} <${option.value}>`;
}

function exampleLines({ examples }: Command): string[] {
  const width = Math.max(...examples.map(({ line }) => line.length));
  return ['Examples:', ...examples.map(({ line, summary }) => `  ${line.padEnd(width)}  ${summary}`)];
}

function sayUsageErrorsIn(parser: Parser, title: string): void {
  parser.exitOverride().configureOutput({
    outputError: (text, write) => write(`${usageLine(title, oneLine(text))}\n`),
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
