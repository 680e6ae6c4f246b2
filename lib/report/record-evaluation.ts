/** Runs an evaluation and keeps what its report shows; evaluation-recorder.ts does, and is not read before. */
import type { EvaluateOptions, EvaluationSets } from '../evaluate.js';
import type { NACUE } from '../nacue.js';
import type { EvaluationRecord } from './evaluation-record.js';

/** Options of {@link recordEvaluation}. */
export interface RecordOptions extends EvaluateOptions {
  /** How many of the most and of the least covered samples of each set to keep, from 0 to 100. Default 6. */
  samples?: number;
  /** Rows for the table of the report that says how it was made: files, options. */
  about?: Readonly<Record<string, string>>;
}

/**
 * Does what `evaluate()` does, in the same single pass, and keeps what a report shows: curves, histograms, what each layer does, the
 * coverage of neurons, and the samples at both ends with their pictures. The batches may have `indices`, `names` and `labels`, as those
 * of `openSamples()` do.
 *
 * @throws as `evaluate()`
 *
 * @example
 * const record = await recordEvaluation(detector, { id: testBatches, far: { svhn } });
 * fs.writeFileSync('report.html', await renderReport(record));
 */
export async function recordEvaluation(
  detector: NACUE,
  sets: EvaluationSets,
  options: RecordOptions = {},
): Promise<EvaluationRecord> {
  const { record } = await import('./evaluation-recorder.js');
  return record(detector, sets, options);
}
