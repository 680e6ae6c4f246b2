/**
 * The random numbers of `shuffle`: xoshiro128** of Blackman and Vigna, its state four outputs of SplitMix32 (MurmurHash3's finaliser over
 * steps of 0x9e3779b9) from the seed. The same on every machine, and easy to write again in another language.
 */
export class RandomNumbers {
  readonly #state: Uint32Array;

  constructor(state: ArrayLike<number>) {
    this.#state = Uint32Array.from(state);
  }

  /** @param seed a whole number below 2^32 */
  static fromSeed(seed: number): RandomNumbers {
    return new RandomNumbers([1, 2, 3, 4].map((step) => mix(seed + step * 0x9e3779b9)));
  }

  /** A whole number below 2^32. */
  next(): number {
    const state = this.#state;
    const [a, b, c, d] = state as unknown as [number, number, number, number];
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    state[2] = c ^ a;
    state[3] = d ^ b;
    state[1] = b ^ (state[2] as number);
    state[0] = a ^ (state[3] as number);
    state[2] = (state[2] as number) ^ (b << 9);
    state[3] = rotate(state[3] as number, 11);
    return result;
  }

  /** A whole number below `limit` <= 2^32, each equally likely: the remainder of the first number that is below a multiple of `limit`. */
  below(limit: number): number {
    const fair = 2 ** 32 - (2 ** 32 % limit);
    for (;;) {
      const number = this.next();
      if (number < fair) return number % limit;
    }
  }
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

function mix(word: number): number {
  let mixed = word | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
