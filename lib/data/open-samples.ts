import type { SampleOptions, Samples } from './samples.js';

/**
 * Opens files of samples to read them batch by batch, as `fit`, `score`, `calibrate`, `evaluate` and `tune` take them.
 *
 * Reads .npy, .npz, .safetensors, raw float32, folders of these with a folder per class, images and folders of images (with the package
 * `sharp`), and stdin. Several paths are read one after another. Of a file of arrays, three batches are in memory at a time, however large it
 * is. Numbers become float32 as they are; nothing is scaled, and nothing is unpickled.
 *
 * @param paths files, folders, globs (`'data/*.npy'`), lists (`'@list.txt'`, one path per line), or `'-'` alone for stdin
 * @throws TypeError, RangeError for wrong arguments; NacueError `ERR_NACUE_DATA` for what is missing, unreadable, damaged, of another shape
 * than the rest, or empty; `ERR_NACUE_OPTIONAL_DEPENDENCY` for images without `sharp`
 *
 * @example
 * const samples = await openSamples(['train.npy'], { shuffle: true, limit: 50_000 });
 * await detector.fit(samples.batches({ batchSize: 256 }));
 * await samples.close();
 */
export async function openSamples(paths: readonly string[], options: SampleOptions = {}): Promise<Samples> {
  const { openFiles } = await import('./open-files.js'); // only here: the readers would double what a start takes
  return openFiles(paths, options);
}
