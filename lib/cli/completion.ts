import { defineCommand } from './command.js';
import { exitCodes } from './exit-codes.js';
import { print } from './terminal.js';

export const shells = ['bash', 'zsh', 'fish'] as const;

export const completion = defineCommand({
  name: 'completion',
  summary: 'print what makes a shell complete commands, options and choices',
  args: [{ value: 'SHELL', summary: 'the shell', choices: shells, required: true }],
  options: {},
  examples: [
    { line: 'source <(npx nacue completion bash)', summary: 'in ~/.bashrc' },
    { line: 'source <(npx nacue completion zsh)', summary: 'in ~/.zshrc, after compinit' },
    { line: 'npx nacue completion fish > ~/.config/fish/completions/nacue.fish', summary: 'once' },
  ],
  async run({ args: [shell] }) {
    const { commands } = await import('./commands.js');
    const { completionScripts } = await import('./completion-scripts.js');
    const script = completionScripts[shell as (typeof shells)[number]];
    print(script(commands));
    return exitCodes.ok;
  },
});
