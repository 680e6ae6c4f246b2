/** How options are written: on the command line, as environment variables, in --help and in docs/cli.md. */
import type { Argument, Command, Option } from './command.js';

/** `--min-auroc` */
export function longFlag(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** As the command line and the documentation write an option: `-b, --batch-size <N>`. */
export function flagsOf(name: string, option: Option): string {
  const short = option.short === undefined ? '' : `-${option.short}, `;
  const value = option.kind === 'flag' ? '' : ` <${option.value}>`;
  return `${short}${longFlag(name)}${value}`;
}

/** The environment variable that sets an option: `NACUE_MIN_AUROC`. */
export function environmentName(name: string): string {
  return `NACUE_${longFlag(name).slice(2).toUpperCase().replaceAll('-', '_')}`;
}

/** The summary, with the choices and the default. */
export function meaningOf(option: Option): string {
  const choices = option.kind === 'choice' ? `: ${option.choices.join(', ')}` : '';
  const value = 'default' in option && option.default !== undefined ? option.default : option.otherwise;
  const standard = value === undefined ? '' : ` (default: ${value})`;
  const required = 'required' in option ? ' (required)' : '';
  return `${option.summary}${choices}${standard}${required}`;
}

/** A message of the library, in which options have the names of the library, with those of the command line. */
export function withFlags(message: string, { options }: Command): string {
  const subject = /^(\w+) must /.exec(message)?.[1];
  return message
    .replace(/(?<![^\s(])[a-zA-Z]+(?![^\s,;:)])/g, (word, at: number) => {
      const isName = /[A-Z]/.test(word) || (at === 0 && word === subject);
      return isName && Object.hasOwn(options, word) ? longFlag(word) : word;
    })
    .replace(/, received undefined$/, '');
}

export function isSetting(command: Command, option: Option): boolean {
  return command.configurable === true && option.commandLineOnly === undefined;
}

export function argumentMeaning({ summary, choices }: Argument): string {
  return choices === undefined ? summary : `${summary}: ${choices.join(', ')}`;
}

export function argumentText({ value, required, variadic }: Argument): string {
  const text = variadic ? `${value}...` : value;
  return required ? `<${text}>` : `[${text}]`;
}
