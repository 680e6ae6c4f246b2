// Becomes a bundle with nacue inside; a copy of the package's prebuilds/ lies beside it.
import path from 'node:path';
import { NACUE } from 'nacue';
import printGoldenScores from './golden-scores.cjs';

printGoldenScores(NACUE, { nativeBinding: path.join(path.dirname(process.argv[1]), 'prebuilds') });
