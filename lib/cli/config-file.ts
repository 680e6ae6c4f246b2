/**
 * nacue.config.json: the file that sets options where neither the command line nor the environment does.
 *
 * A key at its top sets the option of that name of every command that has it; a key below a command's name only that
 * command's, and goes before.
 */
import fs from 'node:fs';
import path from 'node:path';
import { messageOf } from '../errors.js';
import { type Commands, eachCommand, type Option } from './command.js';
import { UsageError } from './exit-codes.js';
import { isSetting } from './option-text.js';
import { type OptionValue, valueOfJson } from './option-values.js';

export const configFileName = 'nacue.config.json';

export type ConfiguredOptions = ReadonlyMap<string, OptionValue>;

type Table = ReadonlyMap<string, Option>;

/** The options that are set by a command's name, for example `libtorch install`; with none, those at the top. */
export function settingTables(commands: Commands): { shared: Table; byCommand: ReadonlyMap<string, Table> } {
  const byCommand = new Map<string, Table>();
  const shared = new Map<string, Option>();
  const ambiguous = new Set<string>();
  for (const { words, command } of eachCommand(commands)) {
    const settings = Object.entries(command.options).filter(([, option]) => isSetting(command, option));
    if (settings.length === 0) continue;
    byCommand.set(words.join(' '), new Map(settings));
    for (const [name, option] of settings) {
      const other = shared.get(name);
      // What takes other values in another command, or is a command's name, is set below a command's name only.
      if (other && !isSame(other, option)) ambiguous.add(name);
      else shared.set(name, option);
    }
  }
  for (const name of [...ambiguous, ...byCommand.keys()]) shared.delete(name);
  return { shared, byCommand };
}

/** What the file says for one command; all of the file is checked. */
export function readConfigFile(
  named: string | undefined,
  words: readonly string[],
  commands: Commands,
): ConfiguredOptions {
  const file = named ?? nearestConfigFile(process.cwd());
  if (file === undefined) return new Map();
  const { shared, byCommand } = settingTables(commands);
  const own = new Map<string, OptionValue>();
  const general = new Map<string, OptionValue>();
  for (const [key, value] of Object.entries(readObject(file))) {
    const table = byCommand.get(key);
    const option = shared.get(key);
    if (table) {
      const section = sectionOf(file, key, table, value);
      if (key === words.join(' ')) for (const [name, set] of section) own.set(name, set);
    } else if (option) general.set(key, settingOf(file, key, option, value));
    else if (key !== '$schema') throw unknownKey(file, key, [...shared.keys(), ...byCommand.keys()]);
  }
  return new Map([...general, ...own]);
}

function sectionOf(file: string, command: string, table: Table, value: unknown): Map<string, OptionValue> {
  if (!isObject(value)) throw new UsageError(`${command} in ${file} must be an object of options`);
  const entries = Object.entries(value).map(([name, item]) => {
    const option = table.get(name);
    if (!option) throw unknownKey(file, `${command}.${name}`, [...table.keys()]);
    return [name, settingOf(file, `${command}.${name}`, option, item)] as const;
  });
  return new Map(entries);
}

function settingOf(file: string, key: string, option: Option, value: unknown): OptionValue {
  const checked = valueOfJson(`${key} in ${file}`, option, value);
  return option.kind === 'path' ? path.resolve(path.dirname(file), checked as string) : checked;
}

function nearestConfigFile(folder: string): string | undefined {
  const file = path.join(folder, configFileName);
  if (fs.existsSync(file)) return file;
  const parent = path.dirname(folder);
  return parent === folder ? undefined : nearestConfigFile(parent);
}

function readObject(file: string): object {
  let value: unknown;
  try {
    value = JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch (error) {
    throw new UsageError(`cannot read the configuration ${file}: ${messageOf(error)}`);
  }
  if (!isObject(value)) throw new UsageError(`the configuration ${file} must be an object of options`);
  return value;
}

function unknownKey(file: string, key: string, known: readonly string[]): UsageError {
  return new UsageError(`${file} has the key ${JSON.stringify(key)}, which is none of ${known.join(', ')}`);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether the same values are right for both. */
function isSame(a: Option, b: Option): boolean {
  return domainOf(a) === domainOf(b);
}

function domainOf(option: Option): string {
  const { kind, of, min, max, aboveMin, words, choices, repeated } = { ...option } as Partial<Record<string, unknown>>;
  return JSON.stringify({ kind, of, min, max, aboveMin, words, choices, repeated });
}
