#!/usr/bin/env node
/** The command `nacue`. Reading a command line loads no more than the tables of the commands. */
import { CommanderError } from 'commander';
import { version } from '../version.js';
import { commands } from './commands.js';
import { execute } from './execute.js';
import { exitCodes } from './exit-codes.js';
import { createParser } from './parser.js';
import { handleOutputErrors } from './terminal.js';

async function main(): Promise<void> {
  handleOutputErrors();
  try {
    await createParser(version, commands, execute).parseAsync();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  }
}

void main();
