/**
 * Takes mutants of states through merge and restore: `child.ts FOLDER SEED FIRST END`. FOLDER holds states by the name
 * MODEL-WHATEVER.state.
 *
 * Prints the number of each mutant before it begins, so that whoever reads along knows which one was under way when the process died;
 * at last "outcomes" and how many there were of each, as JSON: "accepted", "refused CODE", "refused by restore CODE" or "wrong: ...".
 */
import fs from 'node:fs';
import path from 'node:path';
import { NACUE } from 'nacue';
import { fixture, randomNumbers } from '../fixtures.js';
import { randomRows } from '../states.js';
import { mutations } from './mutations.js';

/** Refused mutants are mostly spared the loading of the model. */
const refusedRestores = 500;
const batch = randomRows(3, [1, 8, 8]);

interface State {
  model: string;
  bytes: Buffer;
}

/** Random numbers of one mutant, whatever the others are. */
const randomOf = (seed: number, mutant: number) =>
  randomNumbers(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(mutant + 1, 0x85ebca6b));

/** The code of a failure that is as it should be; else what is wrong with it. */
function refusal(error: unknown): { code: string } | { wrong: string } {
  const { code, message } = error as { code?: string; message: string };
  if (!code?.startsWith('ERR_NACUE_') || /INTERNAL|OUT_OF_MEMORY/.test(code)) return { wrong: `${code} ${message}` };
  if (message.includes('\n')) return { wrong: `no readable line: ${message}` };
  return { code };
}

async function attempt<T>(call: () => T | Promise<T>): Promise<{ value: T } | { code: string } | { wrong: string }> {
  try {
    return { value: await call() };
  } catch (error) {
    return refusal(error);
  }
}

/** Two scores of a restored detector; an accepted state must give finite and equal ones. */
async function score({ model }: State, mutant: Buffer): Promise<string> {
  await using detector = await NACUE.restore(fixture(model), mutant, { numThreads: 1 });
  const scores = [await detector.predict(batch), await detector.predict(batch)] as [Float32Array, Float32Array];
  if (!scores[0].every(Number.isFinite)) return `wrong: scores ${scores[0]}`;
  return Buffer.compare(...(scores.map(({ buffer }) => Buffer.from(buffer)) as [Buffer, Buffer])) === 0
    ? 'accepted'
    : 'wrong: two scores';
}

async function outcome(state: State, mutant: Buffer, isSample: boolean): Promise<string> {
  const merged = await attempt(() => NACUE.merge([mutant]));
  if ('wrong' in merged) return `wrong: merge ${merged.wrong}`;
  if ('code' in merged && !isSample) return `refused ${merged.code}`;
  const restored = await attempt(() => score(state, mutant));
  if ('wrong' in restored) return `wrong: restore ${restored.wrong}`;
  if ('code' in merged) {
    const isSame = 'code' in restored && restored.code === merged.code;
    return isSame ? `refused ${merged.code}` : `wrong: merge ${merged.code}, restore ${JSON.stringify(restored)}`;
  }
  if (Buffer.compare(NACUE.merge([merged.value]), merged.value) !== 0)
    return 'wrong: a merged state changes when merged again';
  return 'code' in restored ? `refused by restore ${restored.code}` : restored.value;
}

async function main([folder, ...numbers]: string[]): Promise<void> {
  const states = fs.readdirSync(folder as string).map((name): State => {
    return { model: name.replace(/-.*/, '.pt'), bytes: fs.readFileSync(path.join(folder as string, name)) };
  });
  const [seed, first, end] = numbers.map(Number) as [number, number, number];
  const kinds = Object.entries(mutations);
  const counts: Record<string, number> = {};
  for (let mutant = first; mutant < end; ++mutant) {
    fs.writeSync(1, `${mutant}\n`);
    const [kind, mutate] = kinds[mutant % kinds.length] as (typeof kinds)[number];
    const random = randomOf(seed, mutant);
    const round = Math.floor(mutant / kinds.length);
    const [state, other] = [round, round + 1 + (mutant % 3)].map((at) => states[at % states.length]) as [State, State];
    let result = await outcome(state, mutate(state.bytes, random, other.bytes), mutant % refusedRestores === 0);
    if (result.startsWith('wrong')) result = `${result}, mutant ${mutant}, ${kind}`;
    counts[result] = (counts[result] ?? 0) + 1;
  }
  console.log(`outcomes ${JSON.stringify(counts)}`);
}

void main(process.argv.slice(2));
