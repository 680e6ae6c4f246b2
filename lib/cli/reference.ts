/** The tables of docs/cli.md, made of those of the commands. */
import { type Command, type Commands, eachCommand, type Option, type OptionTable } from './command.js';
import { dataOptions } from './data-options.js';
import { fitOptions, runOptions } from './detector-options.js';
import { environmentName, flagsOf, isSetting, meaningOf } from './option-text.js';

/** Those of several commands, by the heading under which they stand once. */
const shared: Readonly<Record<string, OptionTable>> = {
  'Options of data': dataOptions,
  'Options of the model': runOptions,
  'Options of the fit': fitOptions,
};

/**
 * Writes anew what stands between a marker `<!-- options: nacue fit -->` and the next `<!-- end -->`. Its title is that of a command, for
 * the options that it alone has and links to the others, or the heading of options that are shared.
 */
export function withOptionTables(markdown: string, commands: Commands): string {
  return markdown.replace(/(<!-- options: ([^>]*) -->\n)[\s\S]*?(<!-- end -->)/g, (_, begin, title, end) =>
    [begin, textOf(title, commands), end].join('\n'),
  );
}

function textOf(title: string, commands: Commands): string {
  const options = shared[title];
  if (options) return tableOf(Object.entries(options), () => true);
  const found = eachCommand(commands).find(({ words }) => ['nacue', ...words].join(' ') === title);
  if (!found) throw new Error(`there is neither a command nor a heading '${title}'`);
  return textOfCommand(found.command);
}

function textOfCommand(command: Command): string {
  const own = Object.entries(command.options).filter(([name, option]) => !isShared(name, option));
  const table = tableOf(own, command.configurable && ((option) => isSetting(command, option)));
  const links = Object.entries(shared)
    .filter(([, options]) => Object.keys(options).every((name) => command.options[name] === options[name]))
    .map(([heading]) => `[${heading.toLowerCase()}](#${heading.toLowerCase().replaceAll(' ', '-')})`);
  return links.length === 0 ? table : `${table}\nAlso the ${links.join(', the ')}.\n`;
}

function isShared(name: string, option: Option): boolean {
  return Object.values(shared).some((options) => options[name] === option);
}

/** @param hasVariable which options an environment variable sets; left out where none does */
function tableOf(
  options: readonly (readonly [string, Option])[],
  hasVariable: ((option: Option) => boolean) | undefined,
): string {
  const head = hasVariable ? ['option', 'meaning', 'environment'] : ['option', 'meaning'];
  const rows = options.map(([name, option]) => [
    `\`${flagsOf(name, option)}\``,
    meaningOf(option),
    ...(hasVariable ? [hasVariable(option) ? `\`${environmentName(name)}\`` : ''] : []),
  ]);
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.map(escaped).join(' | ')} |`);
  return `${lines.join('\n')}\n`;
}

function escaped(cell: string): string {
  return cell.replaceAll('|', '\\|');
}
