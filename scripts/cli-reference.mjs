/**
 * Writes what is made of the tables of the commands: the tables of docs/cli.md, between its markers, and nacue.schema.json; needs dist/.
 *
 * `--check` only tells whether they are up to date.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { main, Problem, root } from './steps/project.mjs';

const require = createRequire(import.meta.url);
const { commands } = require('../dist/cli/commands.js');
const { configSchema } = require('../dist/cli/config-schema.js');
const { withOptionTables } = require('../dist/cli/reference.js');

await main(() => {
  const { check } = parseArgs({ options: { check: { type: 'boolean', default: false } } }).values;
  const docs = path.join(root, 'docs', 'cli.md');
  const written = [
    { file: docs, text: withOptionTables(readFileSync(docs, 'utf8'), commands) },
    { file: path.join(root, 'nacue.schema.json'), text: `${JSON.stringify(configSchema(commands), null, 2)}\n` },
  ];
  for (const { file, text } of written) {
    if (!check) writeFileSync(file, text);
    else if (readFileSync(file, 'utf8') !== text) {
      throw new Problem(`${path.relative(root, file)} is not what the commands say.`, ['`npm run reference`']);
    }
  }
});
