/** The text of an error about something that is missing or does not fit on this machine. */

/** One place that was looked at, and what was there. */
export interface Finding {
  place: string;
  result: string;
}

/** The problem, what was looked at, and numbered fixes. */
export function explainFailure(problem: string, findings: readonly Finding[], fixes: readonly string[]): string {
  const lines = [problem];
  if (findings.length > 0) lines.push('Looked at:', ...findings.map(({ place, result }) => `  - ${place}: ${result}`));
  if (fixes.length > 0) lines.push('To fix it, one of:', ...fixes.map((fix, index) => `  ${index + 1}. ${fix}`));
  return lines.join('\n');
}
