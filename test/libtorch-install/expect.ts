import assert from 'node:assert/strict';
import { errorCodes } from '../../dist/errors.js';

/** Asserts that a call fails, at once or later, with a code and texts in its message; returns the error. */
export async function failsWith(call: () => unknown, code: string, ...messages: RegExp[]): Promise<Error> {
  assert.ok(code in errorCodes);
  try {
    await call();
  } catch (error) {
    assert.ok(error instanceof Error);
    assert.equal((error as { code?: string }).code, code, String(error.stack));
    for (const message of messages) assert.match(error.message, message);
    return error;
  }
  throw new assert.AssertionError({ message: `expected a failure with ${code}` });
}
