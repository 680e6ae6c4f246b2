import { defineCommand } from './command.js';
import { exitCodes } from './exit-codes.js';
import { json } from './shared-options.js';
import { print, printJson } from './terminal.js';

export const doctor = defineCommand({
  name: 'doctor',
  summary: 'say what nacue finds and chooses on this machine and whether it can score',
  options: { json },
  examples: [
    { line: 'npx nacue doctor', summary: 'a report to read, or to put into an issue' },
    {
      line: 'npx nacue doctor --json | jq .canScore',
      summary: 'a check in CI; the exit code is 3 when it cannot score',
    },
  ],
  async run({ options, verbose, signal }) {
    const { diagnose } = await import('../doctor/diagnose.js');
    const { formatDiagnosis } = await import('./doctor-report.js');
    const diagnosis = await diagnose({ signal });
    if (options.json) printJson(diagnosis);
    else print(formatDiagnosis(diagnosis, { verbose }));
    return diagnosis.canScore ? exitCodes.ok : exitCodes.cannotScore;
  },
});
