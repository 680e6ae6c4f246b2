/**
 * `preset: 'openood'` against the authors' own code, live, on more data than the recorded values of test/fixtures/official.
 *
 * That code is not part of this project: NACUE_OOD_COVERAGE names a checkout of BierOne/ood_coverage. Without one the recorded values,
 * which it produced, are all there is to compare with (test/65.official.test.ts).
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { checkOfficialCase, officialNets } from '../official-case.js';
import { resultsFolder } from './reference-results.js';

const checkout = process.env.NACUE_OOD_COVERAGE;

if (checkout) {
  describe("preset 'openood' against the authors' code, live", () => {
    const folder = path.join(resultsFolder, 'official');
    before(() => {
      mkdirSync(folder, { recursive: true });
      execFileSync(process.env.NACUE_PARITY_PYTHON as string, ['-m', 'reference.official', '--out', folder], {
        cwd: __dirname,
        env: { ...process.env, NACUE_OOD_COVERAGE: checkout, PYTHONPATH: __dirname, PYTHONDONTWRITEBYTECODE: '1' },
        stdio: ['ignore', 'inherit', 'inherit'],
      });
    });
    for (const net of officialNets)
      it(`has the same counts, scores and coverage on the ${net}`, () => checkOfficialCase(folder, net));
  });
}
