/** Detectors that are fitted on seeded data, and their states. */
import assert from 'node:assert/strict';
import { NACUE, type NACUEOptions, type ShapedBatch } from 'nacue';
import { fitBatches, fixture, goldenOptions, randomNumbers } from './fixtures.js';

/** `count` samples in [-1, 1) with the shape of one sample; the same for the same seed. */
export function randomRows(count: number, sample: readonly number[], seed = 1): ShapedBatch {
  const next = randomNumbers(seed);
  const size = sample.reduce((product, length) => product * length, 1);
  return { data: Float32Array.from({ length: count * size }, () => next() * 2 - 1), shape: [count, ...sample] };
}

/** Rows `from` to `to` of a batch. */
export function rowsOf({ data, shape: [count, ...sample] }: ShapedBatch, from: number, to: number): ShapedBatch {
  const size = data.length / (count as number);
  return { data: data.slice(from * size, to * size), shape: [to - from, ...sample] };
}

/** A detector with the options of the golden run, fitted as that was. */
export async function goldenDetector(options: Partial<NACUEOptions> = {}): Promise<NACUE> {
  const detector = await NACUE.create(fixture('small.pt'), { ...goldenOptions(), ...options });
  return detector.fit(fitBatches());
}

/** The state of {@link goldenDetector}. */
export async function goldenState(options: Partial<NACUEOptions> = {}): Promise<Uint8Array> {
  await using detector = await goldenDetector(options);
  return detector.toBuffer();
}

/** The same bytes in a buffer that the caller may overwrite. */
export const copyOf = (bytes: Uint8Array): Uint8Array => Uint8Array.from(bytes);

/** The float32 bits, for comparisons in which -0 is not 0. */
export const bitsOf = (values: Float32Array): string => Buffer.from(values.slice().buffer).toString('hex');

/** Lets the suite fail when its tests emitted a process warning, such as one of a leak. */
export function expectNoWarnings(): void {
  const warnings: string[] = [];
  const note = (warning: Error) => void warnings.push(String(warning));
  before(() => void process.on('warning', note));
  after(async () => {
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', note);
    assert.deepEqual(warnings, []);
  });
}
