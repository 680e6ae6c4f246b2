/** Data goes to stdout, everything that is said beside it to stderr. */
import { onItsLines } from '../printable.js';
import { exitCodes } from './exit-codes.js';

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

export function tell(text: string): void {
  process.stderr.write(`${onItsLines(text)}\n`);
}

/** Whoever reads stdout may have seen enough (`| head`): the end, but no failure. Without stderr the work goes on. */
export function handleOutputErrors(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit();
    tell(`nacue: cannot write to stdout: ${error.message}`);
    process.exit(exitCodes.failure);
  });
  process.stderr.on('error', () => {});
}

/** Rows of cells as lines, the columns aligned to the left. */
export function alignRows(rows: readonly (readonly string[])[]): string[] {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
