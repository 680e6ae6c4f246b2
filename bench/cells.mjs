/** Cells and tables in Markdown. */

export function table(titles, rows) {
  return [titles, titles.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

export function megabytes(bytes) {
  return `${Math.round(bytes / 1e6)} MB`;
}

export function milliseconds(ms) {
  return ms.toFixed(ms < 100 ? 1 : 0);
}

export function timeCell({ medianMs, lowerQuartileMs, upperQuartileMs }) {
  return `${milliseconds(medianMs)} (${milliseconds(lowerQuartileMs)} to ${milliseconds(upperQuartileMs)})`;
}

/** What was asked for, and whether it was reached. @param {boolean} isReached */
export function askedCell(text, isReached) {
  return isReached ? text : `${text}: **missed**`;
}
