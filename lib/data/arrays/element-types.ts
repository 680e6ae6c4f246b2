/** The element types that are read, and how they become float32. */
export interface ElementType {
  readonly name: string;
  readonly bytes: number;
  /** From bytes that begin at a multiple of 8 in their buffer; float32 itself needs no decoding and has none. */
  readonly decode?: (bytes: Uint8Array, values: Float32Array) => void;
}

export const float32: ElementType = { name: 'float32', bytes: 4 };

export const float64: ElementType = {
  name: 'float64',
  bytes: 8,
  decode: (bytes, values) => values.set(new Float64Array(bytes.buffer, bytes.byteOffset, values.length)),
};

export const float16: ElementType = {
  name: 'float16',
  bytes: 2,
  decode: (bytes, values) => {
    halves ??= Float32Array.from({ length: 2 ** 16 }, (_, bits) => valueOfHalf(bits));
    const words = new Uint16Array(bytes.buffer, bytes.byteOffset, values.length);
    for (let i = 0; i < values.length; i += 1) values[i] = halves[words[i] as number] as number;
  },
};

export const bfloat16: ElementType = {
  name: 'bfloat16',
  bytes: 2,
  decode: (bytes, values) => {
    const words = new Uint16Array(bytes.buffer, bytes.byteOffset, values.length);
    const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
    for (let i = 0; i < values.length; i += 1) bits[i] = (words[i] as number) << 16;
  },
};

/** 0 ... 255 as they are, not scaled. */
export const uint8: ElementType = { name: 'uint8', bytes: 1, decode: (bytes, values) => values.set(bytes) };

let halves: Float32Array | undefined;

/** IEEE 754 binary16: 1 bit sign, 5 bits exponent, 10 bits fraction. */
function valueOfHalf(bits: number): number {
  const sign = bits >> 15 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
