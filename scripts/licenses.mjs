/** Writes THIRD_PARTY_LICENSES.md: `node scripts/licenses.mjs [--check]`. --check only says whether it is current. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { compiledIn } from './steps/compiled_in.mjs';
import { main, Problem, root, say } from './steps/project.mjs';

const name = 'THIRD_PARTY_LICENSES.md';

await main(() => {
  const { check } = parseArgs({ options: { check: { type: 'boolean', default: false } } }).values;
  const file = path.join(root, name);
  const current = page();
  if (!check) writeFileSync(file, current);
  else if (!existsSync(file) || readFileSync(file, 'utf8') !== current)
    throw new Problem(`${name} is not current.`, ['run `node scripts/licenses.mjs`']);
  say('licenses', `${name} is current`);
});

function page() {
  return `# Licences of what is in this package

nacue itself is under the licence in LICENSE. The binaries in \`prebuilds/\` have parts of the following compiled into them. LibTorch is
not part of this package, and neither are the npm packages it depends on: they come with licences of their own.

${compiledIn().map(section).join('\n')}`;
}

function section({ name: title, what, license, file, url }) {
  const text = readFileSync(path.join(root, file), 'utf8').trim();
  return `## ${title}

${what[0].toUpperCase()}${what.slice(1)}. ${license}, <${url}>

\`\`\`
${text}
\`\`\`
`;
}
