/** Assertions on how a call fails: class, code and a piece of the one readable line. */
import assert from 'node:assert/strict';
import { errorCodes, NacueError } from 'nacue';

type ErrorClass = typeof NacueError | typeof TypeError | typeof RangeError;

export interface Expected {
  type?: ErrorClass;
  code: keyof typeof errorCodes;
  message: RegExp;
}

/** Asserts that a promise rejects as expected, with one line of text, and returns the error. */
export async function rejectsWith(promise: Promise<unknown>, expected: Expected): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return checkError(error, expected);
  }
  throw new assert.AssertionError({ message: `expected a rejection with ${expected.code}` });
}

/** The same for a call that throws. */
export function throwsWith(call: () => unknown, expected: Expected): Error {
  try {
    call();
  } catch (error) {
    return checkError(error, expected);
  }
  throw new assert.AssertionError({ message: `expected an exception with ${expected.code}` });
}

function checkError(error: unknown, { type = NacueError, code, message }: Expected): Error {
  assert.ok(error instanceof type, `expected a ${type.name}, got ${error}`);
  assert.equal((error as { code?: string }).code, code, String(error));
  assert.match(error.message, message);
  assert.ok(!error.message.includes('\n'), `one readable line, got:\n${error.message}`);
  assert.ok(code in errorCodes);
  return error;
}
