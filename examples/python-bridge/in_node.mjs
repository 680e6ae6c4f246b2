/** Node's half of the example: scores with what Python has fitted, sets a threshold, saves it for Python. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { metrics, NACUE } from 'nacue';
import { batchesOf, loadDemoData } from '../demo/data.mjs';

const folder = process.argv[2];
const file = (name) => path.join(folder, name);

const { heldOut, outOfDistribution } = loadDemoData();
const sets = { 'held-out digits': heldOut, 'digits 6-9': outOfDistribution['digits6-9'] };
const inPython = JSON.parse(readFileSync(file('python_scores.json'), 'utf8'));

const detector = await NACUE.restore(file('model.pt'), file('fit.safetensors'), { numThreads: 1 });
const scores = {};
for (const [name, images] of Object.entries(sets)) {
  scores[name] = [];
  for (const batch of batchesOf(images)) scores[name].push(...(await detector.predict(batch)));
}

const isSame = JSON.stringify(scores) === JSON.stringify(inPython);
const count = Object.values(scores).flat().length;
console.log(`Node.js: ${count} scores with what Python fitted: ${isSame ? 'identical' : 'DIFFERENT'}`);
if (!isSame) process.exitCode = 1;
const auroc = metrics.auroc(scores['held-out digits'], scores['digits 6-9']);
console.log(`Node.js: AUROC of digits 6-9 ${auroc.toFixed(4)}`);

const threshold = await detector.calibrate(batchesOf(heldOut), { tpr: 0.95 });
await detector.save(file('node.safetensors'));
console.log(`Node.js: saved with the threshold ${threshold.toFixed(4)}, which lets 95 % of the held-out digits pass`);
await detector.close();
