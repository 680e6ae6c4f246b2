/**
 * What a report shows, as plain data that JSON keeps: `recordEvaluation()` makes it, `nacue eval -o` writes it, reports and plots are
 * made of it.
 */
import type { EvaluatedScore, Evaluation } from '../evaluate.js';
import type { ExecutionPlan, LayerInfo } from '../results.js';

/** The names that {@link EvaluationRecord.format} and `version` have. */
export const recordFormat = 'nacue-evaluation';
export const recordVersion = 1;

/** An evaluation with all that its report shows. A value that JSON cannot hold, such as an AUTC of NaN, is null. */
export interface EvaluationRecord {
  format: typeof recordFormat;
  version: typeof recordVersion;
  /** ISO 8601. */
  created: string;
  /** What {@link evaluate} returns. */
  evaluation: Evaluation;
  threshold: RecordedThreshold;
  /** `'id'` first, then the OOD sets in the order of `evaluation.sets`. */
  scores: ScoreSummary[];
  /** Histograms of the NAC-UE scores of all sets on the same bins. */
  histogram: { edges: number[]; counts: { set: string; counts: number[] }[] };
  /** One per OOD set and score. */
  curves: RecordedCurve[];
  /** In the order of the detector's layers. */
  layers: LayerSeparation[];
  coverage: CoverageMap[];
  /** Per set the most covered samples, most first, then the least covered ones, least first. */
  samples: ExtremeSample[];
  detector: DetectorSummary;
  /** What else there is to say, by title, such as files and options. */
  about: Record<string, string>;
  versions: { nacue: string; libtorch: string; node: string };
}

/** Where the line between in and out is drawn. */
export interface RecordedThreshold {
  value: number;
  /** `'calibration'`: the detector's own. `'id'`: it has none; the share `tpr` of the evaluated ID samples passes. */
  from: 'calibration' | 'id';
  tpr?: number;
}

/** How the NAC-UE scores of one set are spread. */
export interface ScoreSummary {
  set: string;
  samples: number;
  /** Nearest rank, no interpolation. */
  quantiles: { min: number; q05: number; q25: number; median: number; q75: number; q95: number; max: number };
  /** The share above the threshold. */
  outliers: number;
}

/** ROC and precision-recall curve of one score on one OOD set, OOD being the positive class. */
export interface RecordedCurve {
  set: string;
  score: EvaluatedScore;
  /** From (0, 0) to (1, 1), thinned out where it hardly bends. */
  roc: { fpr: number[]; tpr: number[] };
  precisionRecall: { recall: number[]; precision: number[] };
  /** At the first threshold that reaches the true positive rate. */
  points: { tpr: number; fpr: number; precision: number }[];
}

/** What one layer does for the separation. */
export interface LayerSeparation {
  layer: string;
  weight: number;
  /** Its mean coverage of the ID samples. */
  idCoverage: number;
  sets: {
    set: string;
    coverage: number;
    /** The part of the distance between the mean scores of ID and OOD that is this layer's; the parts add up to the whole. */
    gap: number;
    /** Of this layer alone. */
    auroc: number;
    /** Of all others together; null where there are none that count. */
    aurocWithout: number | null;
  }[];
}

/** Which bins of which neurons the fit has covered. */
export interface CoverageMap {
  layer: string;
  /** N */
  neurons: number;
  /** M */
  bins: number;
  /** NAC-ME of the layer, in [0, 1]. */
  coverage: number;
  /**
   * phi = min(count / O*, 1), the neurons by their mean bin, from low to high. Of more neurons or bins than a picture shows, neighbours are
   * averaged.
   */
  rows: number[][];
}

/** A sample at one end of its set. */
export interface ExtremeSample {
  set: string;
  end: 'most-covered' | 'least-covered';
  /** Its position in the set, or in its data where the batch had `indices`. */
  index: number;
  /** Its file. */
  name?: string;
  /** Its class folder. */
  label?: string;
  score: number;
  /** The index of the largest logit. */
  predicted: number;
  /** By layer, in the detector's order. */
  coverage: number[];
  /** A PNG or WebP as data URI. */
  picture?: string;
}

/** How the detector was set up. */
export interface DetectorSummary {
  preset: string;
  binning: string;
  aggregation: string;
  /** Samples of the fit. */
  samples: number;
  device: string;
  plan: ExecutionPlan;
  layers: LayerInfo[];
}
