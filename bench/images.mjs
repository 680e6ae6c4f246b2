/** The inputs of all measurements: no photographs, but each image has a brightness and a contrast of its own, so that scores differ. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';

/** A batch (count, 3, side, side), the same for the same seed. */
export function images(count, side = 224, seed = 1) {
  const pixels = side * side;
  const data = new Float32Array(count * 3 * pixels);
  const random = uniform(seed);
  for (let channel = 0; channel < count * 3; ++channel) {
    const brightness = random();
    const contrast = 1 + random();
    for (let i = channel * pixels; i < (channel + 1) * pixels; ++i) data[i] = brightness + contrast * random();
  }
  return { data, shape: [count, 3, side, side] };
}

/** A batch as a file that the processes of the benchmark read, whatever their language. */
export function imageFile(folder, count, side, seed) {
  const { data, shape } = images(count, side, seed);
  const file = path.join(folder, `images-${count}-${side}-${seed}.f32`);
  writeFileSync(file, data);
  return { file, shape };
}

/** Numbers in [-1, 1), by a linear congruential generator. */
function uniform(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}
