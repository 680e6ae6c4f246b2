/** Which array of a file that holds several is meant. */
import { dataError } from '../data-error.js';

const mostNamed = 10;

export function chooseArray(file: string, names: readonly string[], wanted: string | undefined): string {
  if (names.length === 0) throw dataError(`'${file}' holds no arrays`);
  if (wanted !== undefined) {
    if (names.includes(wanted)) return wanted;
    throw dataError(`'${file}' has no array '${wanted}'; it has ${listed(names)}`);
  }
  const [only, ...others] = names;
  if (others.length === 0) return only as string;
  throw dataError(`'${file}' holds ${names.length} arrays; choose one by name: ${listed(names)}`);
}

function listed(names: readonly string[]): string {
  const shown = names
    .slice(0, mostNamed)
    .map((name) => `'${name}'`)
    .join(', ');
  return names.length > mostNamed ? `${shown} and ${names.length - mostNamed} more` : shown;
}
