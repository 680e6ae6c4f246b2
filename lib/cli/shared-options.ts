/** Options that mean the same in every command that has them. */
import type { OptionTable } from './command.js';

export const json = { kind: 'flag', summary: 'print the result as JSON' } as const satisfies OptionTable[string];
export const quiet = { kind: 'flag', summary: 'no progress on stderr' } as const satisfies OptionTable[string];
