import type { Argument } from './command.js';

export const modelArgument = {
  value: 'MODEL',
  summary: 'a TorchScript file; it is a program: only from those you trust',
  required: true,
} as const satisfies Argument;
