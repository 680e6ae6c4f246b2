/** Images: decoded, transformed, and read from folders batch by batch. test/parity compares with Pillow and torchvision. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {
  decodeImage,
  type ImageTransform,
  NacueError,
  openSamples,
  type SampleBatch,
  type SampleOptions,
  type SkippedSample,
  transformImages,
} from 'nacue';
import sharp from 'sharp';
import { allocateBatch } from '../dist/data/allocate-batch.js';
import { readAhead } from '../dist/data/images/read-ahead.js';
import { rejectsWith, throwsWith } from './failures';
import { brokenFiles, pngOf, rawImage, somePixels } from './image-files';

const projectRoot = path.join(__dirname, '..');
let folder = '';

before(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nacue-images-'));
});

after(() => fs.rmSync(folder, { recursive: true, force: true }));

function write(name: string, bytes: string | Uint8Array): string {
  const file = path.join(folder, name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, bytes);
  return file;
}

describe('decodeImage', () => {
  const rgb = somePixels(13, 17);

  it('gives the pixels of a file and of its bytes', async () => {
    const png = await pngOf(rgb);
    assert.deepEqual({ ...(await decodeImage(png)) }, { data: rgb.data, shape: [13, 17, 3] });
    assert.deepEqual((await decodeImage(write('decode/a b é.png', png))).data, rgb.data);
  });

  it('goes by the content, not by the name', async () => {
    assert.deepEqual((await decodeImage(write('decode/png.jpg', await pngOf(rgb)))).data, rgb.data);
  });

  it('copies the bytes before it returns', async () => {
    const png = Uint8Array.from(await pngOf(rgb));
    const decoding = decodeImage(png);
    png.fill(0);
    assert.deepEqual((await decoding).data, rgb.data);
  });

  it('turns grey into three equal channels and drops alpha, as it is', async () => {
    const grey = somePixels(9, 8, 1);
    const tripled = Uint8Array.from({ length: grey.data.length * 3 }, (_, i) => grey.data[Math.floor(i / 3)] as number);
    assert.deepEqual((await decodeImage(await pngOf(grey))).data, tripled);
    const rgba = somePixels(9, 8, 4);
    const opaque = rgba.data.filter((_, i) => i % 4 < 3);
    assert.deepEqual((await decodeImage(await pngOf(rgba))).data, opaque);
  });

  it('keeps the upper eight of sixteen bits', async () => {
    const { data, shape } = somePixels(9, 16);
    const values = new Uint16Array(Uint8Array.from(data).buffer);
    const [height, width] = [shape[0] as number, (shape[1] as number) / 2];
    const image = sharp(values, { raw: { width, height, channels: 3 } }).toColourspace('rgb16');
    const decoded = await decodeImage(await image.png().toBuffer());
    assert.deepEqual(
      decoded.data,
      Uint8Array.from(values, (value) => value >> 8),
    );
  });

  it('turns an image as its EXIF orientation says', async () => {
    const turned = await rawImage(rgb).withMetadata({ orientation: 6 }).png().toBuffer();
    const { data, shape } = await decodeImage(turned);
    assert.deepEqual(shape, [17, 13, 3]);
    assert.deepEqual([...data.subarray(0, 3)], [...rgb.data.subarray(12 * 17 * 3, 12 * 17 * 3 + 3)]);
  });

  it("converts CMYK in Pillow's arithmetic", async () => {
    const cmyk = await rawImage(rgb).toColourspace('cmyk').tiff({ compression: 'none' }).toBuffer();
    const inks = await sharp(cmyk, { ignoreIcc: true })
      .pipelineColourspace('cmyk')
      .toColourspace('cmyk')
      .raw()
      .toBuffer();
    const { data } = await decodeImage(cmyk);
    assert.equal(inks.length / 4, data.length / 3);
    for (let i = 0; i < data.length; i++) {
      const pixel = Math.floor(i / 3);
      const light = 255 - (inks[4 * pixel + 3] as number);
      const exact = light - ((inks[4 * pixel + (i % 3)] as number) * light) / 255;
      assert.ok(Math.abs((data[i] as number) - exact) <= 0.5, `${i}: ${data[i]} of ${exact}`);
    }
  });

  it('ignores a colour profile', async () => {
    const profiled = await rawImage(rgb).withIccProfile('p3', { attach: true }).png().toBuffer();
    assert.ok((await sharp(profiled).metadata()).icc, 'the file has a profile');
    const stored = await sharp(profiled, { ignoreIcc: true }).raw().toBuffer();
    assert.notDeepEqual(new Uint8Array(stored), rgb.data);
    assert.deepEqual((await decodeImage(profiled)).data, new Uint8Array(stored));
  });

  it('refuses what is no argument for it', async () => {
    const type = { type: TypeError, code: 'ERR_NACUE_INVALID_ARG_TYPE' } as const;
    await rejectsWith(decodeImage(7 as unknown as string), {
      ...type,
      message: /image must be a path or a Uint8Array/,
    });
    await rejectsWith(decodeImage(''), { type: RangeError, code: 'ERR_NACUE_OUT_OF_RANGE', message: /a path/ });
  });

  it('says what is wrong with a file, with its name', async () => {
    const code = 'ERR_NACUE_DATA';
    await rejectsWith(decodeImage(path.join(folder, 'none.jpg')), { code, message: /none\.jpg' does not exist/ });
    await rejectsWith(decodeImage(folder), { code, message: /is a folder/ });
    const pipe = path.join(folder, 'decode', 'pipe.png');
    execFileSync('mkfifo', [pipe]);
    await rejectsWith(decodeImage(pipe), { code, message: /pipe\.png' is no file/ });
    const text = write('decode/text.jpg', 'no image');
    await rejectsWith(decodeImage(text), { code, message: /text\.jpg' cannot be decoded: it contains unsupported/ });
  });

  it('says how to get sharp where it is not installed', function () {
    this.timeout(30_000);
    const { root, code } = withoutSharp();
    const run = { cwd: root, encoding: 'utf8' } as const;
    assert.equal(
      execFileSync(process.execPath, ['-e', code], run).trim(),
      'ERR_NACUE_OPTIONAL_DEPENDENCY images are read by the package sharp, which is not installed: run `npm install sharp`',
    );
  });
});

/** The compiled package with all it depends on but sharp, and a program that decodes an image with it. */
function withoutSharp() {
  const root = path.join(folder, 'without-sharp');
  fs.cpSync(path.join(projectRoot, 'dist'), path.join(root, 'dist'), { recursive: true });
  fs.copyFileSync(path.join(projectRoot, 'package.json'), path.join(root, 'package.json'));
  const { dependencies } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
  fs.mkdirSync(path.join(root, 'node_modules'));
  for (const name of Object.keys(dependencies))
    fs.symlinkSync(path.join(projectRoot, 'node_modules', name), path.join(root, 'node_modules', name));
  const call = "require('./dist/index.js').decodeImage(Uint8Array.of(1))";
  return { root, code: `${call}.catch((error) => console.log(error.code, error.message))` };
}

describe('transformImages', () => {
  const unit = (value: number) => Math.fround(Math.fround(value) * Math.fround(1 / 255));

  it("gives channels of values in [0, 1] with 'none'", async () => {
    const image = somePixels(5, 4);
    const { data, shape } = await transformImages([image], 'none');
    assert.deepEqual(shape, [1, 3, 5, 4]);
    for (let channel = 0; channel < 3; channel++)
      for (let pixel = 0; pixel < 20; pixel++)
        assert.equal(data[channel * 20 + pixel], unit(image.data[3 * pixel + channel] as number));
  });

  it('subtracts the mean and divides by the deviation of each channel', async () => {
    const image = somePixels(3, 3);
    const [mean, std] = [
      [0.1, 0.2, 0.3],
      [0.5, 0.25, 2],
    ];
    const { data } = await transformImages([image], { mean, std });
    data.forEach((value, i) => {
      const channel = Math.floor(i / 9);
      const wanted =
        (unit(image.data[3 * (i % 9) + channel] as number) - (mean[channel] as number)) / (std[channel] as number);
      assert.ok(Math.abs(value - wanted) < 1e-6, `${i}: ${value}, ${wanted}`);
    });
  });

  it('stretches as an obvious antialiased interpolation does, to one level', async () => {
    for (const [height, width, wanted] of [
      [31, 45, [12, 20]],
      [7, 5, [16, 23]],
      [100, 60, [9, 61]],
    ] as const) {
      const image = somePixels(height, width);
      const { data } = await transformImages([image], { resize: wanted });
      const expected = plainResize(image.data, [height, width], wanted);
      data.forEach((value, i) => {
        const level = expected[i] as number;
        assert.ok(Math.abs(value * 255 - level) <= 1.01, `${height} x ${width}, ${i}: ${value * 255}, ${level}`);
      });
    }
  });

  it('resizes the shorter side; the longer one is cut off to a whole number', async () => {
    const shapeOf = async (height: number, width: number, resize: number) =>
      (await transformImages([somePixels(height, width)], { resize })).shape.slice(2);
    assert.deepEqual(await shapeOf(30, 20, 7), [10, 7]);
    assert.deepEqual(await shapeOf(20, 33, 10), [10, 16]);
    assert.deepEqual(await shapeOf(1, 9, 3), [3, 27]);
  });

  it('crops from the centre, halves to the even side, and pads with black', async () => {
    const image = somePixels(5, 8);
    const row = (data: Float32Array, width: number) =>
      Array.from(data.subarray(0, width), (value) => Math.round(value * 255));
    const red = (y: number, x: number) => image.data[3 * (8 * y + x)] as number;
    const smaller = await transformImages([image], { crop: [2, 3] });
    assert.deepEqual(row(smaller.data, 3), [red(2, 2), red(2, 3), red(2, 4)]); // rows from 1.5, columns from 2.5
    const wider = await transformImages([image], { crop: [5, 11] });
    assert.deepEqual(row(wider.data, 11), [0, ...Array.from({ length: 8 }, (_, x) => red(0, x)), 0, 0]);
  });

  it('takes images of many sizes into one batch, each as if alone', async () => {
    const images = [somePixels(30, 40), somePixels(64, 9), somePixels(1, 1)];
    const { data, shape } = await transformImages(images, 'imagenet:32/24');
    assert.deepEqual(shape, [3, 3, 24, 24]);
    for (const [i, image] of images.entries()) {
      const alone = await transformImages([image], 'imagenet:32/24');
      assert.deepEqual(data.subarray(i * alone.data.length, (i + 1) * alone.data.length), alone.data);
    }
  });

  it('copies the pixels before it returns', async () => {
    const { data, shape } = somePixels(20, 20);
    const expected = await transformImages([{ data: data.slice(), shape }], 'scale:8,8');
    const transforming = transformImages([{ data, shape }], 'scale:8,8');
    data.fill(0);
    assert.deepEqual(await transforming, expected);
  });

  it('reads a transform from a JSON file', async () => {
    const image = somePixels(20, 30);
    const steps: ImageTransform = {
      resize: 12,
      crop: [10, 9],
      mean: [0.5, 0.4, 0.3],
      std: [1, 2, 3],
      interpolation: 'bicubic',
    };
    const file = write('transforms/steps.json', JSON.stringify(steps));
    assert.deepEqual(await transformImages([image], file), await transformImages([image], steps));
    const imagenet = { resize: 256, crop: 224, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
    assert.deepEqual(await transformImages([image], 'imagenet'), await transformImages([image], imagenet));
  });

  it('refuses a file that is no transform, with its name', async () => {
    for (const [text, message] of [
      ['{', /JSON/],
      ['{"resize": 0}', /resize/],
      ['{"size": 3}', /keys/],
      ['[]]', /JSON/],
      ['null', /object/],
    ] as const) {
      const file = write('transforms/bad.json', text);
      const error = await rejectsWith(transformImages([somePixels(2, 2)], file), { code: 'ERR_NACUE_DATA', message });
      assert.match(error.message, /bad\.json'/);
    }
    const missing = path.join(folder, 'transforms', 'none.json');
    await rejectsWith(transformImages([], missing), { code: 'ERR_NACUE_DATA', message: /none\.json' does not exist/ });
  });

  it('refuses transforms that are none', async () => {
    const image = somePixels(2, 2);
    const range = { type: RangeError, code: 'ERR_NACUE_OUT_OF_RANGE' } as const;
    for (const name of ['', 'imagnet', 'imagenet:256', 'imagenet:0/224', 'scale:3', 'scale:0,3', 'scale:3,99999'])
      await rejectsWith(transformImages([image], name), { ...range, message: /transform/ });
    for (const [wrong, message] of [
      [{ resize: 0 }, /transform\.resize must be a whole number >= 1/],
      [{ resize: [1, 2, 3] }, /one number, or height and width/],
      [{ crop: 2 ** 20 }, /transform\.crop/],
      [{ crop: 20_000 }, /transform\.crop must be of at most 178956970 pixels/],
      [{ resize: [20_000, 9000] }, /transform\.resize must be of at most 178956970 pixels/],
      [{ mean: [0, 0, 0] }, /both mean and std/],
      [{ mean: [0, 0, 0], std: [1, 0, 1] }, /transform\.std must be 3 finite numbers > 0/],
      [{ mean: [0, 0], std: [1, 1, 1] }, /transform\.mean must be 3 finite numbers/],
      [{ colour: 1 }, /keys/],
      [{ interpolation: 'lanczos' }, /transform\.interpolation/],
    ] as [object, RegExp][])
      await rejectsWith(transformImages([image], wrong), { ...range, message });
    const type = { type: TypeError, code: 'ERR_NACUE_INVALID_ARG_TYPE' } as const;
    for (const [wrong, message] of [
      [7, /transform must be an object/],
      [{ resize: '256' }, /transform\.resize/],
      [{ mean: 0.5, std: [1, 1, 1] }, /transform\.mean/],
      [{ antialias: 'yes' }, /transform\.antialias must be true or false/],
    ] as [object, RegExp][])
      await rejectsWith(transformImages([image], wrong), { ...type, message });
  });

  it('refuses images that are none', async () => {
    const type = { type: TypeError, code: 'ERR_NACUE_INVALID_ARG_TYPE' } as const;
    const shape = { type: RangeError, code: 'ERR_NACUE_SHAPE' } as const;
    const call = (images: unknown) => transformImages(images as [], 'none');
    await rejectsWith(call('a.jpg'), { ...type, message: /images must be an array/ });
    await rejectsWith(call([null]), { ...type, message: /images\[0\] must be an object/ });
    await rejectsWith(call([{ data: [1, 2, 3], shape: [1, 1, 3] }]), { ...type, message: /images\[0\]\.data/ });
    await rejectsWith(call([{ data: new Uint8Array(3), shape: 3 }]), { ...type, message: /images\[0\]\.shape/ });
    await rejectsWith(call([{ data: new Uint8Array(4), shape: [1, 1, 4] }]), { ...shape, message: /\(H, W, 3\)/ });
    await rejectsWith(call([{ data: new Uint8Array(4), shape: [1, 1, 3] }]), { ...shape, message: /4 values/ });
    await rejectsWith(call([{ data: new Uint8Array(0), shape: [0, 1, 3] }]), { ...shape, message: /\(H, W, 3\)/ });
    await rejectsWith(call([]), { ...shape, message: /at least one/ });
    const different = [somePixels(2, 2), somePixels(2, 3)];
    await rejectsWith(call(different), { code: 'ERR_NACUE_DATA', message: /images\[1\] became \(3, 2, 3\)/ });
  });

  it('lets the process end while images are transformed, and a worker thread', function () {
    this.timeout(30_000);
    const program = `
      const { Worker, isMainThread } = require('node:worker_threads');
      const { transformImages } = require('nacue');
      const image = { data: new Uint8Array(1200 * 1600 * 3), shape: [1200, 1600, 3] };
      const work = () => Promise.all(Array.from({ length: 8 }, () => transformImages([image], 'imagenet')));
      if (isMainThread) {
        const worker = new Worker(process.argv[1]);
        worker.once('message', async () => {
          await worker.terminate();
          work();
          setTimeout(() => process.exit(0), 5);
        });
      } else {
        work().then(() => require('node:worker_threads').parentPort.postMessage('began')).then(work);
      }`;
    const file = write('end.cjs', program.replace("require('nacue')", `require(${JSON.stringify(projectRoot)})`));
    // V8 frees nothing at process.exit().
    const env = { ...process.env, ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ''}:detect_leaks=0` };
    execFileSync(process.execPath, [file], { env }); // throws on any exit code but 0, and on a signal
  });

  it('refuses a strip that would become too large', async () => {
    const strip = transformImages([somePixels(1, 60_000)], 'imagenet');
    await rejectsWith(strip, { code: 'ERR_NACUE_DATA', message: /60000 x 1 pixels would have 15360000 x 256/ });
  });
});

/** Triangles as wide as the steps between the wanted pixels, but no narrower than a pixel; to (3, h, w), rounded levels. */
function plainResize(pixels: Uint8Array, size: readonly [number, number], wanted: readonly [number, number]): number[] {
  const [rows, columns] = [weights(size[0], wanted[0]), weights(size[1], wanted[1])];
  const levels: number[] = [];
  for (let channel = 0; channel < 3; channel++)
    for (const row of rows)
      for (const column of columns) {
        const columnSums = row.map((a, y) =>
          a === 0
            ? 0
            : a * column.reduce((sum, b, x) => sum + b * (pixels[3 * (y * size[1] + x) + channel] as number), 0),
        );
        levels.push(Math.round(columnSums.reduce((sum, value) => sum + value)));
      }
  return levels;
}

function weights(from: number, to: number): number[][] {
  const step = from / to;
  const reach = Math.max(step, 1);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * step;
    const all = Array.from({ length: from }, (_, x) => Math.max(0, 1 - Math.abs((x + 0.5 - centre) / reach)));
    const sum = all.reduce((a, b) => a + b);
    return all.map((weight) => weight / sum);
  });
}

describe('openSamples on images', () => {
  let images = '';
  const names = [
    'cat/1.png',
    'cat/2.jpg',
    'cat/deep/3.png',
    'dog/1.PNG',
    'dog/4.webp',
    'zebra/5.gif',
    'é/6.png',
    '𝒳/7.tiff',
  ];

  before(async () => {
    images = path.join(folder, 'images');
    for (const [i, name] of names.entries()) {
      const image = rawImage(somePixels(20 + i, 30 - i));
      const format = path.extname(name).slice(1).toLowerCase() as 'png';
      write(`images/${name}`, await image.toFormat(format).toBuffer());
    }
    write('images/cat/notes.txt', 'no image');
    write('images/cat/.hidden.png', 'no image');
    write('images/.thumbnails/1.png', 'no image');
  });

  const transform = 'imagenet:20/16';

  async function read(
    paths: string | string[],
    options: SampleOptions = {},
    pass: { batchSize?: number; from?: number } = {},
  ) {
    const samples = await openSamples([paths].flat(), { transform, ...options });
    const batches: SampleBatch[] = [];
    const skipped: SkippedSample[] = [];
    const onSkip = (sample: SkippedSample) => skipped.push(sample);
    try {
      for await (const batch of samples.batches({ batchSize: 3, ...pass, onSkip })) batches.push(batch);
    } finally {
      await samples.close();
    }
    return { batches, skipped, samples, indices: batches.flatMap((batch) => batch.indices) };
  }

  it('reads a folder in the order of code points, with labels and names', async () => {
    const { batches, samples } = await read(images);
    assert.equal(samples.count, names.length);
    assert.deepEqual(samples.sampleShape, [3, 16, 16]);
    assert.deepEqual(
      batches.map(({ shape, indices, next }) => ({ shape, indices, next })),
      [
        { shape: [3, 3, 16, 16], indices: [0, 1, 2], next: 3 },
        { shape: [3, 3, 16, 16], indices: [3, 4, 5], next: 6 },
        { shape: [2, 3, 16, 16], indices: [6, 7], next: 8 },
      ],
    );
    assert.deepEqual(
      batches.flatMap((batch) => batch.names),
      names.map((name) => path.join(images, name)),
    );
    assert.deepEqual(
      batches.flatMap((batch) => batch.labels),
      names.map((name) => name.split('/')[0]),
    );
  });

  it('gives what decodeImage and transformImages give', async () => {
    const { batches } = await read(images, {}, { batchSize: 100 });
    const decoded = await Promise.all(names.map((name) => decodeImage(path.join(images, name))));
    assert.deepEqual(batches[0]?.data, (await transformImages(decoded, transform)).data);
  });

  it('reads single files, without labels', async () => {
    const files = [path.join(images, 'dog/1.PNG'), path.join(images, 'cat/1.png')];
    const { batches } = await read(files);
    assert.deepEqual(batches[0]?.names, files);
    assert.equal(batches[0]?.labels, undefined);
  });

  it('goes on where an earlier pass ended, with the same batches', async () => {
    const { batches } = await read(images);
    const resumed = await read(images, {}, { from: batches[0]?.next as number });
    assert.deepEqual(resumed.batches, batches.slice(1));
    assert.deepEqual((await read(images, {}, { from: names.length })).batches, []);
  });

  it('shuffles, balances and limits', async () => {
    const shuffled = await read(images, { shuffle: true, seed: 3 });
    assert.notDeepEqual(
      shuffled.indices,
      names.map((_, i) => i),
    );
    assert.deepEqual(
      [...shuffled.indices].sort(),
      names.map((_, i) => i),
    );
    assert.deepEqual((await read(images, { shuffle: true, seed: 3 })).indices, shuffled.indices);
    assert.deepEqual((await read(images, { balanced: 1 })).indices, [0, 3, 5, 6, 7]);
    assert.deepEqual((await read(images, { balanced: 2, limit: 3 })).indices, [0, 1, 3]);
  });

  it('follows links, but not in circles', async () => {
    write('linked/a/1.png', await pngOf(somePixels(9, 9)));
    fs.symlinkSync(path.join(folder, 'linked', 'a'), path.join(folder, 'linked', 'b'));
    fs.symlinkSync(path.join(folder, 'linked'), path.join(folder, 'linked', 'a', 'circle'));
    const { batches } = await read(path.join(folder, 'linked'));
    assert.deepEqual(
      batches.flatMap((batch) => batch.labels),
      ['a', 'b'],
    );
  });

  it('needs a transform, and one that makes all images equal', async () => {
    const type = { type: TypeError, code: 'ERR_NACUE_INVALID_ARG_TYPE' } as const;
    await rejectsWith(openSamples([images]), { ...type, message: /transform must be given for images: 'imagenet'/ });
    await rejectsWith(read(images, { transform: 'none' }), {
      code: 'ERR_NACUE_DATA',
      message: /2\.jpg' became \(3, 21, 29\)/,
    });
    const one = await read(path.join(images, 'cat', '1.png'), { transform: 'none' });
    assert.equal(one.samples.sampleShape, undefined);
    assert.deepEqual(one.batches[0]?.shape, [1, 3, 20, 30]);
  });

  it('checks a shape that is expected', async () => {
    const range = { type: RangeError, code: 'ERR_NACUE_OUT_OF_RANGE' } as const;
    await rejectsWith(read(images, { shape: [3, 8, 8] }), { ...range, message: /shape must be \(3, 16, 16\)/ });
    await rejectsWith(read(images, { array: 'x' }), { ...range, message: /array/ });
    const wrong = read(path.join(images, 'cat', '1.png'), { transform: 'none', shape: [3, 20, 31] });
    await rejectsWith(wrong, { code: 'ERR_NACUE_DATA', message: /1\.png' became \(3, 20, 30\), others \(3, 20, 31\)/ });
  });

  it('takes a batch size beyond what there is, and says when a batch does not fit into memory', async () => {
    assert.deepEqual((await read(images, {}, { batchSize: 2 ** 40 })).batches[0]?.shape, [8, 3, 16, 16]);
    const message = /a batch of 1099511627776 samples of shape \(3, 16, 16\) does not fit/;
    throwsWith(() => allocateBatch(2 ** 40, [3, 16, 16]), { code: 'ERR_NACUE_OUT_OF_MEMORY', message });
  });

  it('refuses a folder without images, and from beyond the end', async () => {
    fs.mkdirSync(path.join(folder, 'empty', 'class'), { recursive: true });
    await rejectsWith(openSamples([path.join(folder, 'empty')], { transform }), {
      code: 'ERR_NACUE_DATA',
      message: /empty' has no images/,
    });
    const samples = await openSamples([images], { transform });
    const range = { type: RangeError, code: 'ERR_NACUE_OUT_OF_RANGE' } as const;
    throwsWith(() => samples.batches({ batchSize: 1, from: 9 }), { ...range, message: /from must be at most .* 8/ });
    await samples.close();
  });

  it('stops when the signal aborts, and when the samples are closed', async () => {
    const samples = await openSamples([images], { transform });
    const controller = new AbortController();
    const pass = samples.batches({ batchSize: 1, signal: controller.signal });
    assert.equal((await pass.next()).done, false);
    controller.abort(new Error('enough'));
    await assert.rejects(pass.next(), /enough/);
    const other = samples.batches({ batchSize: 1 });
    await other.next();
    await samples.close();
    await rejectsWith(other.next(), { code: 'ERR_NACUE_CLOSED', message: /closed/ });
  });

  describe('with broken files', () => {
    let broken = '';
    let expected: string[] = [];

    before(async () => {
      broken = path.join(folder, 'broken');
      const files = await brokenFiles();
      assert.ok(files.length >= 50, `${files.length} kinds`);
      for (const { name, bytes } of files) write(`broken/${name}`, bytes);
      fs.symlinkSync('nowhere', path.join(broken, 'link.png'));
      expected = [...files.map(({ name }) => name), 'link.png'].sort();
    });

    it('reports each of them and goes on', async () => {
      const good = await pngOf(somePixels(20, 20));
      for (const place of ['0-first.png', 'm-middle.png', 'zz-last.png']) write(`broken/${place}`, good);
      const { batches, skipped, samples } = await read(broken, { onError: 'skip' }, { batchSize: 2 });
      assert.deepEqual(skipped.map(({ name }) => path.basename(name)).sort(), expected);
      assert.deepEqual(
        batches.map(({ names: found = [] }) => found.map((name) => path.basename(name))),
        [['0-first.png', 'm-middle.png'], ['zz-last.png']],
      );
      assert.equal(batches[1]?.next, samples.count);
      for (const { name, error } of skipped) {
        assert.ok(error instanceof NacueError && error.code === 'ERR_NACUE_DATA', String(error));
        assert.ok(error.message.startsWith(`'${name}' `), error.message);
        assert.doesNotMatch(error.message, /[\r\n]|: ?$/);
      }
      const indices = skipped.map(({ index }) => index);
      assert.deepEqual(
        indices,
        [...indices].sort((a, b) => a - b),
      );
    });

    it('stops at each of them', async () => {
      for (const name of expected) {
        const file = path.join(broken, name);
        const stopped = name === 'link.png' ? decodeImage(file) : read(file);
        const error = await rejectsWith(stopped, { code: 'ERR_NACUE_DATA', message: /./ });
        assert.ok(error.message.includes(name), `${name}: ${error.message}`);
      }
    });
  });
});

describe('readAhead', () => {
  const never = new AbortController().signal;

  it('keeps the order, reads a few at once and no further than allowed', async () => {
    const finish = new Map<number, () => void>();
    let running = 0;
    let most = 0;
    const read = async (position: number) => {
      most = Math.max(most, ++running);
      await new Promise<void>((resolve) => finish.set(position, resolve));
      running -= 1;
      return position;
    };
    const results = readAhead(20, read, { atOnce: 3, ahead: 5, signal: never });
    const first = results.next();
    for (const position of [2, 1, 0]) {
      finish.get(position)?.();
      await new Promise(setImmediate);
    }
    assert.equal((await first).value, 0);
    for (const position of [3, 4, 5]) {
      finish.get(position)?.();
      await new Promise(setImmediate);
    }
    assert.deepEqual([...finish.keys()], [0, 1, 2, 3, 4], 'five under way or done before the second is asked for');
    assert.equal((await results.next()).value, 1);
    assert.deepEqual([...finish.keys()], [0, 1, 2, 3, 4, 5]);
    assert.equal(most, 3);
    finish.get(5)?.();
    await results.return(undefined);
  });

  it('gives a failure in its turn and leaves nothing running', async () => {
    let running = 0;
    const read = async (position: number) => {
      running += 1;
      await new Promise(setImmediate);
      running -= 1;
      if (position === 2) throw new Error('third');
      return position;
    };
    const found: number[] = [];
    const all = async () => {
      for await (const value of readAhead(9, read, { atOnce: 4, ahead: 6, signal: never })) found.push(value);
    };
    await assert.rejects(all(), /third/);
    assert.deepEqual(found, [0, 1]);
    assert.equal(running, 0);
  });
});
