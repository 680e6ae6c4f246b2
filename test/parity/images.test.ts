/** Decoded pixels equal Pillow's, transformed ones torchvision's. `npm run test:parity` says where Python is. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { decodeImage, type ImageTransform, transformImages } from 'nacue';

const tolerance = 1e-5;
/** One of 256 levels, where ImageNet's deviation is smallest. */
const oneLevel = 1 / 255 / 0.224 + tolerance;

interface DecodedCase {
  file: string;
  shape: number[];
}

interface TransformedCase {
  transform: string | ImageTransform;
  source: string;
  shape: number[];
  result: string;
  resultShape: number[];
  preset?: { tensor: string; pillow: string };
}

describe('images against Pillow and torchvision', () => {
  let folder = '';
  let decoded: DecodedCase[] = [];
  let transformed: TransformedCase[] = [];

  before(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nacue-images-'));
    runReference(folder);
    ({ decoded, transformed } = JSON.parse(fs.readFileSync(path.join(folder, 'index.json'), 'utf8')));
    assert.ok(decoded.length > 50 && transformed.length > 200, `${decoded.length}, ${transformed.length}`);
  });

  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  const bytes = (file: string) => fs.readFileSync(path.join(folder, file));
  const floats = (file: string) => new Float32Array(Uint8Array.from(bytes(file)).buffer);

  it("decodes to Pillow's pixels; AVIF, whose colours are interpolated otherwise, to near ones", async () => {
    for (const { file, shape } of decoded) {
      const image = await decodeImage(path.join(folder, file));
      assert.deepEqual(image.shape, shape, file);
      const expected = bytes(`${file}.rgb`);
      const largest = largestDifference(image.data, expected);
      if (file.endsWith('.avif')) assert.ok(largest > 0 && largest <= 20, `${file}: ${largest} of 255`);
      else assert.equal(largest, 0, `${file}: ${largest} of 255`);
    }
  });

  it('transforms as torchvision.transforms.v2 does, at every size', async () => {
    for (const { transform, source, shape, result, resultShape } of transformed) {
      const batch = await transformImages([{ data: bytes(source), shape }], transform);
      const what = `${JSON.stringify(transform)} of ${shape}`;
      assert.deepEqual(batch.shape, [1, ...resultShape], what);
      const largest = largestDifference(batch.data, floats(result));
      assert.ok(largest <= tolerance, `${what}: ${largest}`);
    }
  });

  it("is within one level of 256 of the preset that torchvision's weights carry", async () => {
    let compared = 0;
    for (const { transform, source, shape, preset } of transformed) {
      if (!preset) continue;
      compared += 1;
      const { data } = await transformImages([{ data: bytes(source), shape }], transform);
      for (const kind of ['tensor', 'pillow'] as const) {
        const largest = largestDifference(data, floats(preset[kind]));
        assert.ok(largest <= oneLevel, `${kind} of ${shape}: ${largest}`);
      }
    }
    assert.ok(compared > 10);
  });
});

function runReference(folder: string): void {
  const python = process.env.NACUE_PARITY_PYTHON;
  assert.ok(python, 'NACUE_PARITY_PYTHON must name the Python of the parity tests; npm run test:parity sets it');
  const env = { ...process.env, PYTHONPATH: __dirname, PYTHONDONTWRITEBYTECODE: '1' };
  execFileSync(python, ['-m', 'reference.images', '--out', folder], { env });
}

function largestDifference(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  assert.equal(found.length, expected.length);
  let largest = 0;
  for (let i = 0; i < found.length; i++) {
    const difference = Math.abs((found[i] as number) - (expected[i] as number));
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}
