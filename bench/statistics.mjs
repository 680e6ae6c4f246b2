/** The value below which the share `p` of the values lies, interpolated. */
export function quantile(values, p) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = p * (sorted.length - 1);
  const below = sorted[Math.floor(at)];
  return below + (sorted[Math.ceil(at)] - below) * (at % 1);
}

export const median = (values) => quantile(values, 0.5);

/** Median and quartiles of times in seconds, in milliseconds. */
export function summaryMs(seconds) {
  const at = (p) => 1e3 * quantile(seconds, p);
  return { medianMs: at(0.5), lowerQuartileMs: at(0.25), upperQuartileMs: at(0.75), runs: seconds.length };
}

/** How far scores are from those of a reference. @param {number[]} reference @param {number[]} scores */
export function deviation(reference, scores) {
  const differences = reference.map((score, i) => Math.abs(score - scores[i]));
  return { samples: reference.length, spearman: spearman(reference, scores), maxDifference: Math.max(...differences) };
}

/** Spearman's rank correlation; ties share their mean rank. NaN where all values of one side are the same. */
export function spearman(a, b) {
  const [x, y] = [centredRanks(a), centredRanks(b)];
  const product = (u, v) => u.reduce((sum, value, i) => sum + value * v[i], 0);
  return product(x, y) / Math.sqrt(product(x, x) * product(y, y));
}

function centredRanks(values) {
  const order = Array.from(values.keys()).sort((a, b) => values[a] - values[b]);
  const ranks = new Array(values.length);
  for (let first = 0; first < order.length; ) {
    let last = first;
    while (last + 1 < order.length && values[order[last + 1]] === values[order[first]]) ++last;
    for (let i = first; i <= last; ++i) ranks[order[i]] = (first + last) / 2 - (order.length - 1) / 2;
    first = last + 1;
  }
  return ranks;
}
