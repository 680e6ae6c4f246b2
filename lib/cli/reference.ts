/** The tables of docs/cli.md, made of those of the commands. */
import { type Commands, eachCommand } from './command.js';
import { environmentName, flagsOf, isSetting, meaningOf } from './option-text.js';

/** A marker `<!-- options: nacue fit -->` is followed by a table, up to `<!-- end -->`: writes them anew. */
export function withOptionTables(markdown: string, commands: Commands): string {
  return markdown.replace(/(<!-- options: ([^>]*) -->\n)[\s\S]*?(<!-- end -->)/g, (_, begin, title, end) =>
    [begin, tableOf(title, commands), end].join('\n'),
  );
}

function tableOf(title: string, commands: Commands): string {
  const found = eachCommand(commands).find(({ words }) => ['nacue', ...words].join(' ') === title);
  if (!found) throw new Error(`there is no command '${title}'`);
  const { command } = found;
  const head = command.configurable ? ['option', 'meaning', 'environment'] : ['option', 'meaning'];
  const rows = Object.entries(command.options).map(([name, option]) => [
    `\`${flagsOf(name, option)}\``,
    meaningOf(option),
    ...(command.configurable ? [isSetting(command, option) ? `\`${environmentName(name)}\`` : ''] : []),
  ]);
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.map(escaped).join(' | ')} |`);
  return `${lines.join('\n')}\n`;
}

function escaped(cell: string): string {
  return cell.replaceAll('|', '\\|');
}
