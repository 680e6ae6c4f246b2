/** recordEvaluation(), read at the first use: the package loads without it. */
import { energy, maxLogit, maxSoftmax } from '../baselines.js';
import type { Batch } from '../batch.js';
import { type EvaluatedScore, type EvaluationSets, evaluate } from '../evaluate.js';
import { libtorchVersion } from '../libtorch-version.js';
import type { NACUE } from '../nacue.js';
import { checkKeys, wholeNumber } from '../option-checks.js';
import type { Score } from '../results.js';
import { thresholdAt } from '../threshold.js';
import { version } from '../version.js';
import { mapCoverage, rowsPerMap } from './coverage-map.js';
import { curvesOf } from './curves.js';
import {
  type DetectorSummary,
  type EvaluationRecord,
  type ExtremeSample,
  type RecordedThreshold,
  recordFormat,
  recordVersion,
} from './evaluation-record.js';
import { Extremes } from './extreme-samples.js';
import { separateByLayer } from './layer-separation.js';
import type { RecordOptions } from './record-evaluation.js';
import { histogramsOf, summarizeScores } from './score-spread.js';

/** What is kept of a set while it is scored. */
interface SetScores {
  set: string;
  scores: Record<EvaluatedScore, number[]>;
  /** Per layer. */
  coverage: number[][];
  extremes: Extremes;
}

const idTpr = 0.95;
const recordOptionNames = ['signal', 'onProgress', 'onScore', 'tpr', 'samples', 'about'];

export async function record(detector: NACUE, sets: EvaluationSets, options: RecordOptions): Promise<EvaluationRecord> {
  const { samples, about = {}, ...evaluateOptions } = checkKeys('options', options, recordOptionNames);
  const kept = samples === undefined ? 6 : wholeNumber('samples', samples, 0, 100);
  const recorded: SetScores[] = [];
  let batch: Batch | undefined;
  const watched: Pick<NACUE, 'score'> = {
    score: (given, callOptions) => {
      batch = copyOf(given); // its owner may reuse the memory as soon as this call is made
      return detector.score(given, callOptions);
    },
  };
  const evaluation = await evaluate(watched, sets, {
    ...evaluateOptions,
    onScore: (set, score) => {
      if (recorded.at(-1)?.set !== set) recorded.push(emptySet(set, detector, kept));
      keep(recorded.at(-1) as SetScores, batch as Batch, score);
      options.onScore?.(set, score);
    },
  });
  const samplesAtEnds: ExtremeSample[] = [];
  for (const { set, extremes } of recorded) samplesAtEnds.push(...(await extremes.list(set)));
  return asJson({ ...assemble(detector, recorded), evaluation, samples: samplesAtEnds, about: { ...about } });
}

type Assembled = Omit<EvaluationRecord, 'evaluation' | 'samples' | 'about'>;

function assemble(detector: NACUE, recorded: readonly SetScores[]): Assembled {
  const [id, ...ood] = recorded as [SetScores, ...SetScores[]];
  const threshold = thresholdOf(detector, id.scores.nacue);
  const { layers } = detector;
  const divisor = detector.aggregation === 'mean' ? layers.reduce((sum, { weight }) => sum + weight, 0) : 1;
  const rowLimit = rowsPerMap(layers.length);
  return {
    format: recordFormat,
    version: recordVersion,
    created: new Date().toISOString(),
    threshold,
    scores: recorded.map(({ set, scores }) => summarizeScores(set, scores.nacue, threshold.value)),
    histogram: histogramsOf(recorded.map(({ set, scores }) => ({ set, scores: scores.nacue }))),
    curves: ood.flatMap(({ set, scores }) =>
      scoreNames(scores).map((score) => ({ set, score, ...curvesOf(id.scores[score], scores[score]) })),
    ),
    layers: separateByLayer(layers, divisor, id, ood),
    coverage: layers.map(({ name, oStar }) => mapCoverage(name, detector.counts(name), oStar, rowLimit)),
    detector: summaryOf(detector),
    versions: { nacue: version, libtorch: libtorchVersion(), node: process.version },
  };
}

function emptySet(set: string, { layers }: NACUE, kept: number): SetScores {
  return {
    set,
    scores: { nacue: [], maxSoftmax: [], energy: [], maxLogit: [] },
    coverage: layers.map(() => []),
    extremes: new Extremes(kept),
  };
}

function keep({ scores, coverage, extremes }: SetScores, batch: Batch, score: Score): void {
  if (score.scores.length === 0) return; // its logits may lack the number of classes
  extremes.add(batch, score, scores.nacue.length);
  append(scores.nacue, score.scores);
  append(scores.maxSoftmax, maxSoftmax(score.logits));
  append(scores.energy, energy(score.logits));
  append(scores.maxLogit, maxLogit(score.logits));
  const samples = score.scores.length;
  for (const [l, layer] of coverage.entries()) {
    append(layer, score.layerScores.data.subarray(l * samples, (l + 1) * samples));
  }
}

function append(list: number[], values: Float32Array | Float64Array): void {
  for (const value of values) list.push(value);
}

function thresholdOf(detector: NACUE, idScores: readonly number[]): RecordedThreshold {
  if (detector.threshold !== undefined) return { value: detector.threshold, from: 'calibration' };
  return { value: thresholdAt([Float32Array.from(idScores)], idTpr), from: 'id', tpr: idTpr };
}

function summaryOf(detector: NACUE): DetectorSummary {
  const { preset, binning, aggregation, samples, device, plan, layers } = detector;
  return { preset, binning, aggregation, samples, device, plan, layers };
}

function copyOf(batch: Batch): Batch {
  if (ArrayBuffer.isView(batch)) return batch; // without a shape there is no picture to be made
  return { ...batch, data: batch.data.slice() };
}

function scoreNames(scores: Record<EvaluatedScore, unknown>): EvaluatedScore[] {
  return Object.keys(scores) as EvaluatedScore[];
}

/** As it is when it is read back from a file. */
function asJson(record: EvaluationRecord): EvaluationRecord {
  return JSON.parse(JSON.stringify(record)) as EvaluationRecord;
}
