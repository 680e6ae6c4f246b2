/**
 * Takes a range of mutants of one model through create, fit and predict: `child.ts MODEL SEED FIRST END`.
 *
 * Prints "N KIND" before each mutant and "= OUTCOME" after it, one line each, so that whoever reads along knows which mutant was under
 * way when the process died. An outcome is "works", "refused CODE" or "wrong ...".
 */
import fs from 'node:fs';
import { NACUE } from 'nacue';
import { randomNumbers } from '../fixtures.js';
import { mutations } from './mutations.js';

const sample = [1, 8, 8];
const values = randomNumbers(0);
const rows = (count: number) => Float32Array.from({ length: 64 * count }, () => values() * 2 - 1);
const [fitted, scored] = [rows(6), rows(3)];

/** Random numbers of one mutant, whatever the others are. */
const randomOf = (seed: number, mutant: number) =>
  randomNumbers(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(mutant + 1, 0x85ebca6b));

async function score(bytes: Buffer): Promise<string> {
  await using detector = await NACUE.create(bytes, { layers: ['conv1', 'layer1', 'fc'], inputShape: sample });
  await detector.fit([fitted]);
  const scores = [await detector.predict(scored), await detector.predict(scored), await detector.predict(scored)];
  const bits = scores.map(({ buffer }) => Buffer.from(buffer).toString('hex'));
  if (new Set(bits).size > 1) return `wrong: three scores differ: ${bits}`;
  return scores[0]?.every(Number.isFinite) ? 'works' : `wrong: not finite: ${scores[0]}`;
}

async function outcome(bytes: Buffer): Promise<string> {
  try {
    return await score(bytes);
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (!code?.startsWith('ERR_NACUE_') || code === 'ERR_NACUE_INTERNAL') return `wrong: ${code} ${message}`;
    return message.includes('\n') ? `wrong: not one line: ${message}` : `refused ${code}`;
  }
}

async function main([model, ...numbers]: string[]): Promise<void> {
  const file = fs.readFileSync(model as string);
  const [seed, first, end] = numbers.map(Number) as [number, number, number];
  const kinds = Object.entries(mutations);
  const print = (text: string) => fs.writeSync(1, `${text.replaceAll('\n', '\\n')}\n`);
  print(`baseline ${await outcome(file)} ${process.resourceUsage().maxRSS}`);
  for (let mutant = first; mutant < end; ++mutant) {
    const [kind, mutate] = kinds[mutant % kinds.length] as (typeof kinds)[number];
    print(`${mutant} ${kind}`);
    const before = process.resourceUsage().maxRSS;
    const result = await outcome(mutate(file, randomOf(seed, mutant)));
    print(`= ${process.resourceUsage().maxRSS - before} ${result}`);
  }
}

void main(process.argv.slice(2));
