/**
 * Reads a state of the path again and again, once per line of its input: `memory.ts MODEL SMALL LARGE KEPT`. Prints what became of it and
 * by how many bytes the peak of the process's memory has grown since SMALL was read. With KEPT > 0 it holds on to as many copies of the
 * file: a reader that takes too much.
 */
import fs from 'node:fs';
import readline from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { NACUE } from 'nacue';

const [model, small, large, copies] = process.argv.slice(2) as [string, string, string, string];
const kept: Uint8Array[] = [];
const inStatus = (field: string) =>
  1024 * Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(fs.readFileSync('/proc/self/status', 'utf8'))?.[1]);
const peak = () => inStatus('VmHWM');
let before = Number.POSITIVE_INFINITY;

/**
 * What nobody holds any more is given back late: by collections, by turns of their own after them, and by threads of V8 and of the
 * detector. Each reading shall begin with what is really held, which is the same as before the first one unless something leaks.
 */
async function collect(): Promise<void> {
  const isBack = () => inStatus('VmRSS') < before + 8e6;
  for (let time = 0; time < 3 || (time < 20 && !isBack()); ++time) {
    (globalThis as { gc?: () => void }).gc?.();
    await setTimeout(5);
  }
}

async function read(file: string): Promise<string> {
  const outcomes: string[] = [];
  const note = (error: unknown) => void outcomes.push(String((error as { code?: string }).code));
  try {
    outcomes.push(`merged ${NACUE.merge([file]).length}`);
  } catch (error) {
    note(error);
  }
  await collect();
  try {
    const detector = await NACUE.restore(model, file, { numThreads: 1 });
    await detector.close();
    outcomes.push('restored');
  } catch (error) {
    note(error);
  }
  for (let count = 0; count < Number(copies); ++count) kept.push(fs.readFileSync(file));
  await collect();
  return outcomes.join(', ');
}

async function main(): Promise<void> {
  for (let time = 0; time < 20; ++time) await read(small);
  kept.length = 0;
  fs.writeFileSync('/proc/self/clear_refs', '5'); // the peak begins anew
  before = peak();
  console.log('ready');
  for await (const _ of readline.createInterface(process.stdin)) {
    const outcome = await read(large);
    console.log(`${peak() - before} ${outcome}`);
  }
}

void main();
