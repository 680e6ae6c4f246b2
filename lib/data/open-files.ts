/** Opens samples, whatever the files are that hold them. */
import fs from 'node:fs';
import { outOfRange } from '../errors.js';
import { sameShape } from '../shape.js';
import { ArraySamples, type LabelledArray } from './arrays/array-samples.js';
import { asSamples, type StoredArray, shapeText } from './arrays/array-source.js';
import { float32 } from './arrays/element-types.js';
import { isNpy, readNpy } from './arrays/npy.js';
import { readSafetensors } from './arrays/safetensors.js';
import { FileBytes, SingleStream } from './byte-source.js';
import { dataError } from './data-error.js';
import { expandPaths, stdinPath } from './expand-paths.js';
import { type ArrayFile, findArrayFiles } from './find-files.js';
import { checkPaths, checkSampleOptions } from './sample-options.js';
import type { SampleOptions, Samples } from './samples.js';

/** See `openSamples`. */
export async function openFiles(paths: readonly string[], options: SampleOptions): Promise<Samples> {
  const given = checkPaths(paths);
  const checked = checkSampleOptions(options);
  const expanded = await expandPaths(given);
  if (expanded[0] === stdinPath) return openArrays([stdinFile], checked);
  const arrays = await findArrayFiles(expanded);
  if (arrays) return openArrays(arrays, checked);
  const { openImages } = await import('./images/open-images.js');
  return openImages(expanded, checked);
}

const stdinFile: ArrayFile = { path: stdinPath, kind: undefined, isStream: true, label: undefined };

/** What needs the end of the data first, or the way back, is not to be had from a pipe. */
const needSeeking = ['shuffle'] as const;

async function openArrays(files: readonly ArrayFile[], options: SampleOptions): Promise<Samples> {
  checkArrayOptions(files, options);
  const streams: SingleStream[] = [];
  try {
    const arrays: LabelledArray[] = [];
    for (const file of files) {
      const stored = file.isStream
        ? await fromStream(openStream(file.path, streams), options)
        : await fromFile(file, options);
      arrays.push({ ...asSamples(stored, options.shape), path: file.path, label: file.label });
    }
    checkShapes(arrays);
    checkSeekable(arrays, options);
    if (arrays.every(({ count }) => count === 0)) throw dataError(`'${files[0]?.path}' has no samples`);
    return new ArraySamples(arrays, options, streams);
  } catch (error) {
    await Promise.all(streams.map((stream) => stream.close()));
    throw error;
  }
}

function checkArrayOptions(files: readonly ArrayFile[], { array, transform }: SampleOptions): void {
  if (transform !== undefined) throw outOfRange('transform', 'left out for arrays: it is for images', transform);
  const named = files.some(({ kind }) => kind === undefined || kind === 'npz' || kind === 'safetensors');
  if (array !== undefined && !named)
    throw outOfRange(
      'array',
      'left out: it chooses an array in an .npz or .safetensors file, and there is none',
      array,
    );
}

function openStream(path: string, streams: SingleStream[]): SingleStream {
  const stream =
    path === stdinPath ? new SingleStream('stdin', process.stdin) : new SingleStream(path, fs.createReadStream(path));
  streams.push(stream);
  return stream;
}

async function fromStream(stream: SingleStream, { shape }: SampleOptions): Promise<StoredArray> {
  if (shape === undefined || isNpy(await stream.peek(8))) return readNpy(stream);
  return { source: stream, start: 0, type: float32, shape: undefined };
}

async function fromFile({ path, kind }: ArrayFile, { array }: SampleOptions): Promise<StoredArray> {
  const source = await FileBytes.of(path);
  switch (kind ?? (await kindByContent(source))) {
    case 'npy':
      return readNpy(source);
    case 'npz': {
      const { readNpz } = await import('./arrays/npz.js'); // loads the reader of zip files
      return readNpz(path, array);
    }
    case 'safetensors':
      return readSafetensors(source, array);
    case 'raw':
      return { source, start: 0, type: float32, shape: undefined };
  }
}

async function kindByContent(source: FileBytes): Promise<'npy' | 'npz' | 'raw'> {
  const reader = await source.open();
  try {
    const opening = Buffer.alloc(8);
    await reader.read(opening, 0);
    if (isNpy(opening)) return 'npy';
    return opening.toString('latin1').startsWith('PK\x03\x04') ? 'npz' : 'raw';
  } finally {
    await reader.close();
  }
}

function checkShapes(arrays: readonly LabelledArray[]): void {
  const [first] = arrays as [LabelledArray, ...LabelledArray[]];
  const other = arrays.find(({ sampleShape }) => !sameShape(sampleShape, first.sampleShape));
  if (other)
    throw dataError(
      `'${other.source.name}' has samples of shape ${shapeText(other.sampleShape)}, '${first.source.name}' of ${shapeText(first.sampleShape)}`,
    );
}

function checkSeekable(arrays: readonly LabelledArray[], options: SampleOptions): void {
  const stream = arrays.find(({ source }) => !source.seekable);
  const wanted = needSeeking.find((name) => options[name]);
  if (stream && wanted)
    throw dataError(
      `'${stream.source.name}' can only be read from its start to its end, so '${wanted}' cannot be had; save it as .npy`,
    );
}
