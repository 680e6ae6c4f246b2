/** Lays the figures out for a terminal. */

/** @typedef {{ auroc: number, fpr95: number }} Figures */

const setTitles = {
  'digits6-9': 'digits 6-9 (near)',
  photographs: 'photographs',
  inverted: 'inverted digits',
  noise: 'uniform noise',
};
const detectorTitles = { nacue: 'NAC-UE', nacueOpenood: '(openood)', maxSoftmax: 'max-softmax', energy: 'energy' };
const setWidth = 20;
const columnWidth = 13;
const gap = '    ';

/**
 * @param {Record<string, Record<string, Figures>>} sets by set, then by detector
 * @returns {string}
 */
export function formatTable(sets) {
  const detectors = Object.keys(detectorTitles);
  const half = columnWidth * detectors.length;
  const titles = Object.values(detectorTitles).map(alignRight).join('');
  const [higher, lower] = ['AUROC (higher is better)', 'FPR@95TPR (lower is better)'].map((text) =>
    text.padStart(half),
  );
  const head = [
    ' '.repeat(setWidth) + higher + gap + lower,
    ' '.repeat(setWidth) + titles + gap + titles,
    '-'.repeat(setWidth + half + gap.length + half),
  ];
  const rows = Object.entries(setTitles).map(([set, title]) => {
    const aurocs = detectors.map((detector) => alignRight(sets[set][detector].auroc.toFixed(4)));
    const fprs = detectors.map((detector) => alignRight(`${(100 * sets[set][detector].fpr95).toFixed(2)} %`));
    return title.padEnd(setWidth) + aurocs.join('') + gap + fprs.join('');
  });
  return [...head, ...rows].join('\n');
}

/** @param {string} text */
function alignRight(text) {
  return text.padStart(columnWidth);
}
