import { NACUE } from 'nacue';
import printGoldenScores from './golden-scores.cjs';

printGoldenScores(NACUE);
