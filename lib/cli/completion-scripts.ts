/** The completion of bash, zsh and fish, made of the tables of the commands. */
import { type Command, type Commands, eachCommand, type Option } from './command.js';
import type { shells } from './completion.js';
import { longFlag, meaningOf } from './option-text.js';
import { optionsOf } from './parser.js';

export const completionScripts: Readonly<Record<(typeof shells)[number], (commands: Commands) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/** The words that stand before the first option: `libtorch install`. */
interface Completed {
  words: string[];
  command: Command;
  options: [string, Option][];
}

function completed(commands: Commands): Completed[] {
  return eachCommand(commands).map(({ words, command }) => ({
    words,
    command,
    options: Object.entries(optionsOf(command)),
  }));
}

/** What can follow: at the start, and after the name of a group. */
function nextWords(commands: Commands): Map<string, string[]> {
  const groups = commands.flatMap((entry) =>
    'commands' in entry ? [[entry.name, entry.commands.map(({ name }) => name)] as const] : [],
  );
  return new Map([['', commands.map(({ name }) => name)], ...groups]);
}

function bashScript(commands: Commands): string {
  const all = completed(commands);
  return `# bash completion of nacue
# One word a line, so that names of files may have spaces.
_nacue_reply() { mapfile -t COMPREPLY < <(compgen "$@" -- "$current"); }
_nacue() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD - 1]}" command="\${COMP_WORDS[1]}" flags
  COMPREPLY=()
  case "$command" in
${bashGroups(commands)}
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then
    _nacue_reply -W "${nextWords(commands).get('')?.join(' ')} --help --version"
    return
  fi
  case "$command $previous" in
${all.flatMap(bashValues).join('\n')}
  esac
  case "$command" in
${all.map(({ words, options }) => `    '${words.join(' ')}') flags="${flagsOfAll(options).join(' ')} --help" ;;`).join('\n')}
  esac
  if [[ "$current" == -* ]]; then
    _nacue_reply -W "$flags"
    return
  fi
  case "$command" in
${all.flatMap(bashArguments).join('\n')}
    *) _nacue_reply -f ;;
  esac
}
complete -o filenames -F _nacue nacue`;
}

function bashGroups(commands: Commands): string {
  const groups = [...nextWords(commands)].filter(([group]) => group !== '');
  return groups
    .map(
      ([group, names]) => `    ${group})
      if [ "$COMP_CWORD" -eq 2 ]; then
        _nacue_reply -W "${names.join(' ')}"
        return
      fi
      command="$command \${COMP_WORDS[2]}" ;;`,
    )
    .join('\n');
}

/** What follows an option that takes a value: choices, files, or anything. */
function bashValues({ words, options }: Completed): string[] {
  return options.flatMap(([name, option]) => {
    if (option.kind === 'flag') return [];
    const patterns = flagsOfAll([[name, option]]).map((flag) => `'${words.join(' ')} ${flag}'`);
    return [`    ${patterns.join('|')}) ${bashReply(option)}; return ;;`];
  });
}

function bashArguments({ words, command }: Completed): string[] {
  const choices = argumentChoices(command);
  return choices.length > 0 ? [`    '${words.join(' ')}') _nacue_reply -W "${choices.join(' ')}" ;;`] : [];
}

function bashReply(option: Option): string {
  const choices = choicesOf(option);
  if (choices.length > 0) return `_nacue_reply -W "${choices.join(' ')}"`;
  return takesFile(option) ? '_nacue_reply -f' : ':';
}

function zshScript(commands: Commands): string {
  const groups = [...nextWords(commands)].filter(([group]) => group !== '');
  return `#compdef nacue
# zsh completion of nacue
_nacue() {
  if (( CURRENT == 2 )); then
    local -a names=(${commands.map(({ name, summary }) => zshQuoted(`${name}:${summary}`)).join(' ')})
    _describe command names
    return
  fi
  local command="\${words[2]}"
  integer skipped=1
  case "$command" in
${groups
  .map(
    ([group, names]) => `    ${group})
      if (( CURRENT == 3 )); then
        compadd ${names.join(' ')}
        return
      fi
      command="$command \${words[3]}"
      skipped=2 ;;`,
  )
  .join('\n')}
  esac
  shift $skipped words
  (( CURRENT -= skipped ))
  case "$command" in
${completed(commands)
  .map(
    ({ words, command, options }) => `    '${words.join(' ')}')
      _arguments -s -S ${options.flatMap(zshSpecs).join(' ')} '--help[print help]' ${zshArguments(command)} ;;`,
  )
  .join('\n')}
  esac
}
compdef _nacue nacue`;
}

function zshSpecs([name, option]: [string, Option]): string[] {
  const meaning = meaningOf(option).replace(/[[\]:\\]/g, '\\$&');
  const repeat = option.kind === 'list' && option.repeated ? '*' : '';
  return flagsOfAll([[name, option]]).map((flag) => zshQuoted(`${repeat}${flag}[${meaning}]${zshValue(option)}`));
}

function zshArguments(command: Command): string {
  const choices = argumentChoices(command);
  return choices.length > 0 ? `'1:argument:(${choices.join(' ')})'` : "'*:file:_files'";
}

function zshValue(option: Option): string {
  if (option.kind === 'flag') return '';
  const choices = choicesOf(option);
  if (choices.length > 0) return `:${option.value}:(${choices.join(' ')})`;
  return `:${option.value}:${takesFile(option) ? '_files' : ''}`;
}

/** In single quotes, as zsh and fish take any text. */
function zshQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function fishScript(commands: Commands): string {
  const groups = [...nextWords(commands)].filter(([group]) => group !== '');
  const summaries = new Map(commands.map(({ name, summary }) => [name, summary]));
  const first = [...summaries].map(
    ([name, summary]) => `complete -c nacue -n __fish_use_subcommand -f -a ${name} -d ${zshQuoted(summary)}`,
  );
  const second = groups.flatMap(([group, names]) => {
    const condition = `__fish_seen_subcommand_from ${group}; and not __fish_seen_subcommand_from ${names.join(' ')}`;
    return [`complete -c nacue -n ${zshQuoted(condition)} -f -a ${zshQuoted(names.join(' '))}`];
  });
  return ['# fish completion of nacue', ...first, ...second, ...completed(commands).flatMap(fishLines)].join('\n');
}

function fishLines({ words, command, options }: Completed): string[] {
  const condition = words.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ');
  const choices = argumentChoices(command);
  const values =
    choices.length > 0 ? [`complete -c nacue -n ${zshQuoted(condition)} -f -a ${zshQuoted(choices.join(' '))}`] : [];
  const flags = options.map(([name, option]) => {
    const short = option.short === undefined ? '' : ` -s ${option.short}`;
    const choices = choicesOf(option);
    const values = choices.length > 0 ? ` -x -a ${zshQuoted(choices.join(' '))}` : takesFile(option) ? ' -r' : ' -x';
    const value = option.kind === 'flag' ? '' : values;
    const flag = longFlag(name).slice(2);
    return `complete -c nacue -n ${zshQuoted(condition)} -l ${flag}${short}${value} -d ${zshQuoted(meaningOf(option))}`;
  });
  return [...values, ...flags];
}

function flagsOfAll(options: readonly [string, Option][]): string[] {
  return options.flatMap(([name, { short }]) => [longFlag(name), ...(short === undefined ? [] : [`-${short}`])]);
}

/** Of the only argument that a command with choices takes. */
function argumentChoices({ args = [] }: Command): readonly string[] {
  return args[0]?.choices ?? [];
}

function choicesOf(option: Option): readonly string[] {
  if (option.kind === 'choice') return option.choices;
  return option.kind === 'integer' ? (option.words ?? []) : [];
}

/** Options for data take files, too. */
function takesFile(option: Option): boolean {
  return option.kind === 'path' || (option.kind === 'list' && option.repeated === true);
}
