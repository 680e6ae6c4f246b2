import { types } from 'node:util';
import { callNative, type NativeImageTransform, type NativeTensor } from '../../addon/binding.js';
import { loadBinding } from '../../addon/first-use.js';
import type { ShapedBatch } from '../../batch.js';
import { invalidType, wrongShape } from '../../errors.js';
import { copyBytes } from '../../model.js';
import { checkObject } from '../../option-checks.js';
import { dataError } from '../data-error.js';
import type { DecodedImage } from './decode-image.js';
import { type ImageTransform, parseImageTransform } from './image-transform.js';

/**
 * Turns pixels into a batch for a classifier, in LibTorch: the numbers of `torchvision.transforms.v2` (Resize, CenterCrop, ToDtype,
 * Normalize) on uint8 tensors.
 *
 * @param images (H, W, 3) each, of any size; copied when the call is made
 * @param transform `'imagenet'` (resize to 256, crop 224, ImageNet's mean and deviation), `'imagenet:RESIZE/CROP'`, `'scale:HEIGHT,WIDTH'`
 * (stretched, values in [0, 1]), `'none'` (values in [0, 1]), the path of a JSON file with the keys of {@link ImageTransform}, or the object itself
 * @returns (B, 3, h, w)
 * @throws TypeError, RangeError for wrong arguments; NacueError `ERR_NACUE_DATA` when the results differ in size or an image would be blown up
 * beyond 178,956,970 pixels, or for a file that is no transform; `ERR_NACUE_LIBTORCH_*`, `ERR_NACUE_LOAD_FAILED` where LibTorch cannot be opened
 *
 * @example
 * const batch = await transformImages([await decodeImage('cat.jpg')], 'imagenet');
 * const [score] = await detector.predict(batch);
 */
export async function transformImages(
  images: readonly DecodedImage[],
  transform: string | ImageTransform,
): Promise<Required<ShapedBatch>> {
  if (!Array.isArray(images)) throw invalidType('images', 'an array of decoded images', images);
  const steps = parseImageTransform(transform);
  const copies = Array.from(images, (image, i) => copyOf(`images[${i}]`, image));
  const transformed = await Promise.all(copies.map((image) => transformOwned(image, steps)));
  return stacked(transformed);
}

/** For pixels that nobody else can change or detach: they are not copied. */
export function transformOwned({ data, shape }: DecodedImage, steps: NativeImageTransform): Promise<NativeTensor> {
  const binding = loadBinding();
  return callNative<NativeTensor>((settle) => binding.transformImage(data, shape, steps, settle));
}

function copyOf(name: string, image: DecodedImage): DecodedImage {
  const { data, shape } = checkObject(name, image);
  if (!types.isUint8Array(data)) throw invalidType(`${name}.data`, 'a Uint8Array', data);
  if (!Array.isArray(shape)) throw invalidType(`${name}.shape`, 'an array of numbers', shape);
  const sizes: unknown[] = Array.from(shape);
  const isShape = sizes.length === 3 && sizes.every((size) => Number.isSafeInteger(size) && (size as number) > 0);
  if (!isShape || sizes[2] !== 3) throw wrongShape(`${name}.shape must be (H, W, 3), received (${sizes.join(', ')})`);
  const [height, width] = sizes as [number, number];
  if (data.length !== height * width * 3)
    throw wrongShape(
      `${name}.data has ${data.length} values, ${name}.shape (${sizes.join(', ')}) asks for ${height * width * 3}`,
    );
  return { data: copyBytes(data), shape: [height, width, 3] };
}

function stacked(images: readonly NativeTensor[]): Required<ShapedBatch> {
  const [first] = images;
  if (!first) throw wrongShape('images must hold at least one image, received none');
  const other = images.findIndex(({ shape }) => shape.join() !== first.shape.join());
  if (other > 0)
    throw dataError(
      `images[${other}] became (${images[other]?.shape.join(', ')}), images[0] (${first.shape.join(', ')}): a batch has one size; crop or stretch them`,
    );
  const data = new Float32Array(images.length * first.data.length);
  for (const [i, image] of images.entries()) data.set(image.data, i * first.data.length);
  return { data, shape: [images.length, ...first.shape] };
}
