/** Compares arrays bit by bit and says in words how they differ. */

interface Values<T> {
  data: T;
  shape: readonly number[];
}

/** Null when both have the same shape and bits (so -0 is not 0), else what differs; `what` begins the sentence. */
export function difference<T extends Float32Array | BigInt64Array>(
  what: string,
  actual: Values<T>,
  expected: Values<T>,
): string | null {
  if (String(actual.shape) !== String(expected.shape)) {
    return `${what}: shape (${actual.shape}), the reference has (${expected.shape})`;
  }
  if (Buffer.compare(bytesOf(actual.data), bytesOf(expected.data)) === 0) return null;
  if (actual.data.length !== expected.data.length) {
    return `${what}: ${actual.data.length} values, the reference has ${expected.data.length}`;
  }
  const actualBits = bitsOf(actual.data);
  const expectedBits = bitsOf(expected.data);
  let differing = 0;
  let largest = 0;
  let first = -1;
  for (let i = 0; i < actualBits.length; i++) {
    if (actualBits[i] === expectedBits[i]) continue;
    if (first < 0) first = i;
    differing++;
    largest = Math.max(largest, Math.abs(Number(actual.data[i]) - Number(expected.data[i])));
  }
  const example = `at ${first}: ${actual.data[first]}, the reference has ${expected.data[first]}`;
  return `${what}: ${differing} of ${actual.data.length} entries differ, by up to ${largest} (${example})`;
}

function bytesOf(data: Float32Array | BigInt64Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function bitsOf(data: Float32Array | BigInt64Array): Uint32Array | BigInt64Array {
  return data instanceof Float32Array ? new Uint32Array(data.buffer, data.byteOffset, data.length) : data;
}
