/** Fits and scores small.pt as make_models.py recorded it of pytorch-ood; the files lie beside the program that runs. */
const fs = require('node:fs');
const path = require('node:path');

const folder = path.dirname(process.argv[1]);

/**
 * Prints the scores as JSON.
 * @param {typeof import('nacue').NACUE} NACUE
 * @param {Partial<import('nacue').NACUEOptions>} [options]
 */
module.exports = async function printGoldenScores(NACUE, options = {}) {
  const golden = JSON.parse(fs.readFileSync(path.join(folder, 'small_golden.json'), 'utf8'));
  const { layers, mBins, alpha, oStar, sample: inputShape } = golden;
  const detector = await NACUE.create(path.join(folder, 'small.pt'), {
    layers,
    mBins,
    alpha,
    oStar,
    inputShape,
    ...options,
  });
  await detector.fit([Float32Array.from(golden.fit)]);
  const scores = await detector.predict(Float32Array.from(golden.score));
  await detector.close();
  console.log(JSON.stringify(Array.from(scores)));
};
