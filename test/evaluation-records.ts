/** A recorded evaluation of the golden model, and files for the command line. */
import fs from 'node:fs';
import { type EvaluationRecord, NACUE, type RecordOptions, recordEvaluation, type ShapedBatch } from 'nacue';
import { fitBatches, fixture, goldenOptions, randomBatch, sampleShape, scoreBatch } from './fixtures.js';

/** Text that is HTML, script and JSON at once where it is not taken for text. */
export const hostileName = '</script><img src=x onerror="window.hacked=1">&amp;\'';

export const idBatches = (): ShapedBatch[] => [fadingBatch(16, 1), fadingBatch(9, 2)];
export const nearBatches = (): ShapedBatch[] => [scoreBatch()];
/** Far from what the fit has seen: ten times as large. */
export const farBatches = (): ShapedBatch[] => [scaled(randomBatch(20, sampleShape, 3), () => 10)];

/** From samples like those of the fit to some of three times their size: their scores differ. */
function fadingBatch(count: number, seed: number): ShapedBatch {
  return scaled(randomBatch(count, sampleShape, seed), (row) => 0.2 + (3 * row) / count);
}

function scaled({ data, shape }: ShapedBatch, factorOf: (row: number) => number): ShapedBatch {
  const size = sampleShape.reduce((product, side) => product * side, 1);
  return { data: data.map((value, i) => value * factorOf(Math.floor(i / size))), shape };
}

export async function fittedDetector(): Promise<NACUE> {
  const detector = await NACUE.create(fixture('small.pt'), goldenOptions());
  return detector.fit(fitBatches());
}

export async function recordGolden(options: RecordOptions = {}): Promise<EvaluationRecord> {
  await using detector = await fittedDetector();
  const sets = { id: idBatches(), near: { golden: nearBatches() }, far: { [hostileName]: farBatches() } };
  return await recordEvaluation(detector, sets, options);
}

/** (N, ...) float32 as NumPy writes it. */
export function writeNpy(file: string, batches: readonly ShapedBatch[]): string {
  const [, ...sample] = (batches[0] as ShapedBatch).shape;
  const count = batches.reduce((sum, { shape }) => sum + (shape[0] as number), 0);
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${[count, ...sample].join(', ')}), }`;
  const text = `${header.padEnd(117)}\n`;
  const prefix = Buffer.from('\x93NUMPY\x01\x00\x76\x00', 'latin1');
  fs.writeFileSync(file, Buffer.concat([prefix, Buffer.from(text), ...batches.map(({ data }) => bytesOf(data))]));
  return file;
}

function bytesOf(data: Float32Array): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
