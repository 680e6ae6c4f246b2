import { fixture } from './fixtures.js';
import { checkOfficialCase, officialNets } from './official-case.js';

describe("preset 'openood' against values recorded from the authors' code", () => {
  for (const net of officialNets)
    it(`has the same counts, scores and coverage on the ${net}`, () => checkOfficialCase(fixture('official'), net));
});
