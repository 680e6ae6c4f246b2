const { NACUE } = require('nacue');
const printGoldenScores = require('./golden-scores.cjs');

printGoldenScores(NACUE);
