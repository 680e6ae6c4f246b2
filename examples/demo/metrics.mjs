/**
 * How well scores tell out-of-distribution (OOD) from in-distribution (ID) samples, and the two usual scores of logits.
 *
 * Every score is larger for samples that look more OOD; OOD is the positive class, as in pytorch_ood.metrics.
 */

/** @typedef {{ auroc: number, fpr95: number }} Separation */

/**
 * Walks the ROC curve once, from the highest score down; equal scores enter together.
 *
 * AUROC is the chance that an OOD sample scores higher than an ID sample, ties counting half (mid-ranks);
 * FPR@95TPR is the share of ID samples at or above the first threshold that catches at least 95 % of the OOD samples.
 * Both match pytorch_ood.metrics.OODMetrics.
 *
 * @param {ArrayLike<number>} idScores
 * @param {ArrayLike<number>} oodScores
 * @returns {Separation}
 */
export function separation(idScores, oodScores) {
  const idCount = idScores.length;
  const oodCount = oodScores.length;
  if (idCount === 0 || oodCount === 0) throw new RangeError('separation needs both ID and OOD scores');
  const id = descending(idScores);
  const ood = descending(oodScores);

  let idSeen = 0;
  let oodSeen = 0;
  let pairs = 0;
  let fpr95 = Number.NaN;
  while (idSeen < idCount || oodSeen < oodCount) {
    const threshold = Math.max(id[idSeen] ?? -Infinity, ood[oodSeen] ?? -Infinity);
    const oodBefore = oodSeen;
    const idBefore = idSeen;
    while (id[idSeen] === threshold) idSeen++;
    while (ood[oodSeen] === threshold) oodSeen++;
    pairs += ((idSeen - idBefore) * (oodBefore + oodSeen)) / 2;
    if (Number.isNaN(fpr95) && oodSeen / oodCount >= 0.95) fpr95 = idSeen / idCount;
  }
  return { auroc: pairs / (idCount * oodCount), fpr95 };
}

/**
 * Minus the largest softmax probability (Hendrycks and Gimpel 2017, arXiv 1610.02136), shifted by the largest logit so
 * that no exponential overflows.
 *
 * @param {ArrayLike<number>} logits of one sample
 */
export function maxSoftmaxScore(logits) {
  return -1 / sumOfExponentials(logits, largest(logits));
}

/**
 * Minus the logarithm of the sum of exponentials (Liu et al. 2020, arXiv 2010.03759, temperature 1), shifted likewise.
 *
 * @param {ArrayLike<number>} logits of one sample
 */
export function energyScore(logits) {
  const shift = largest(logits);
  return -(shift + Math.log(sumOfExponentials(logits, shift)));
}

/** @param {ArrayLike<number>} logits of one sample */
export function predictedClass(logits) {
  return Array.prototype.indexOf.call(logits, largest(logits));
}

/** @param {ArrayLike<number>} values */
function largest(values) {
  return Math.max(...Array.from(values));
}

/**
 * @param {ArrayLike<number>} values
 * @param {number} shift
 */
function sumOfExponentials(values, shift) {
  return Array.from(values).reduce((sum, value) => sum + Math.exp(value - shift), 0);
}

/** @param {ArrayLike<number>} scores */
function descending(scores) {
  const sorted = Float64Array.from(scores);
  if (sorted.some(Number.isNaN)) throw new RangeError('scores contain NaN');
  return sorted.sort().reverse();
}
