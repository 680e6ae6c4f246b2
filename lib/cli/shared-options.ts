/** Options that mean the same in every command that has them. */
import type { OptionTable } from './command.js';

export const json = { kind: 'flag', summary: 'print the result as JSON' } as const satisfies OptionTable[string];
export const quiet = { kind: 'flag', summary: 'no progress on stderr' } as const satisfies OptionTable[string];

/** The summary is each command's: what the shape is for differs. */
export const sampleShape = { kind: 'list', of: 'integer', value: 'SIZES', min: 1 } as const;

/** The file that a command makes. */
export const stateOut = {
  kind: 'path',
  short: 'o',
  value: 'STATE',
  summary: 'the file to write the state to',
  required: true,
  commandLineOnly: true,
} as const satisfies OptionTable[string];

export const state = {
  kind: 'path',
  value: 'STATE',
  summary: 'what `nacue fit` wrote',
  required: true,
} as const satisfies OptionTable[string];
