/** Seeded damage to bytes, for the mutation tests. */

/** Numbers in [0, 1). */
export type Random = () => number;

/** A whole number in [0, limit). */
export const below = (limit: number, random: Random) => Math.floor(random() * limit);

/** One of the items. */
export const pick = <T>(items: readonly T[], random: Random): T => items[below(items.length, random)] as T;

/** Changes 1 to `most` bytes of [begin, end): one bit, another value, or an extreme one. */
export function damage(bytes: Buffer, begin: number, end: number, most: number, random: Random): Buffer {
  const damaged = Buffer.from(bytes);
  for (let count = 1 + below(most, random); count > 0 && end > begin; --count) {
    const at = begin + below(end - begin, random);
    const old = damaged[at] as number;
    damaged[at] = pick([old ^ (1 << below(8, random)), below(256, random), 0, 0xff, 0x7f, old + 1], random) & 0xff;
  }
  return damaged;
}
