/** Options that were given, for calls that do not take undefined. */

type Given<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

export function givenOnly<T extends object>(values: T): Given<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Given<T>;
}
