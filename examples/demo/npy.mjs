/**
 * Reads one kind of NumPy file: format 1.0, uint8, C order, as in the description of numpy.lib.format.
 */
const magic = Buffer.from('\x93NUMPY\x01\x00', 'latin1');
const headerStart = magic.length + 2;
const headerPattern = /^\{'descr': '\|u1', 'fortran_order': False, 'shape': \((\d+(?:, \d+)*),?\), \} *\n$/;

/**
 * @param {Uint8Array} bytes the whole file
 * @param {string} name the file's name for error messages
 * @returns {{ data: Uint8Array, shape: number[] }} `data` is a view into `bytes`
 */
export function parseUint8Npy(bytes, name) {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (file.length < headerStart || !file.subarray(0, magic.length).equals(magic)) {
    throw new Error(`${name} is not a NumPy file of format 1.0`);
  }
  const dataStart = headerStart + file.readUInt16LE(magic.length);
  const header = file.toString('latin1', headerStart, dataStart);
  const match = headerPattern.exec(header);
  if (match === null) {
    throw new Error(`${name} must hold uint8 in C order; its header says ${header.trim()}`);
  }
  const shape = match[1].split(', ').map(Number);
  const expected = shape.reduce((product, size) => product * size, 1);
  const data = bytes.subarray(dataStart);
  if (data.length !== expected) {
    throw new Error(`${name} must hold ${expected} values for shape (${shape.join(', ')}), it holds ${data.length}`);
  }
  return { data, shape };
}
