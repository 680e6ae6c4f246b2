// Must not compile: one mistake below each directive. tsc counts a directive without an error as an error itself.
import { evaluate, inspect, metrics, NACUE, type NACUEOptions, NacueError, type Score } from 'nacue';

const layers = ['fc'];
const batch = new Float32Array(4);

export const wrongOptions: NACUEOptions[] = [
  // @ts-expect-error: layers are required
  {},
  // @ts-expect-error: a list of names
  { layers: 'fc' },
  // @ts-expect-error: names
  { layers: [1] },
  // @ts-expect-error: one of two
  { layers, preset: 'pytorch' },
  // @ts-expect-error: a number
  { layers, mBins: '50' },
  // @ts-expect-error: numbers
  { layers, alpha: ['100'] },
  // @ts-expect-error: not null
  { layers, oStar: null },
  // @ts-expect-error: one of four
  { layers, binning: 'logarithmic' },
  // @ts-expect-error: a name or a path
  { layers, featureReduce: () => 0 },
  // @ts-expect-error: one of two
  { layers, aggregation: 'max' },
  // @ts-expect-error: one per layer, as a list
  { layers, layerWeights: 1 },
  // @ts-expect-error: no such device
  { layers, device: 'gpu' },
  // @ts-expect-error: a numbered device has a number
  { layers, device: 'cuda:first' },
  // @ts-expect-error: a number
  { layers, numThreads: '2' },
  // @ts-expect-error: one of two
  { layers, mode: 'quick' },
  // @ts-expect-error: one of three
  { layers, precision: 'float16' },
  // @ts-expect-error: a number or 'auto'
  { layers, chunkSize: 'all' },
  // @ts-expect-error: a shape
  { layers, inputShape: 784 },
  // @ts-expect-error: an index or a name
  { layers, output: true },
  // @ts-expect-error: one of two
  { layers, nonFinite: 'ignore' },
  // @ts-expect-error: a path
  { layers, nativeBinding: {} },
  // @ts-expect-error: its signal
  { layers, signal: new AbortController() },
  // @ts-expect-error: the reference's name is not an option
  { layers, m_bins: 50 },
];

export async function wrongCalls(detector: NACUE): Promise<void> {
  // @ts-expect-error: create() makes detectors
  new NACUE('classifier.pt', { layers });
  // @ts-expect-error: options are required
  await NACUE.create('classifier.pt');
  // @ts-expect-error: a path or bytes
  await NACUE.create(new URL('file:///classifier.pt'), { layers });
  // @ts-expect-error: detectors are promised
  NACUE.create('classifier.pt', { layers }).predict(batch);
  // @ts-expect-error: batches, not one batch
  await detector.fit({ data: batch, shape: [1, 4] });
  // @ts-expect-error: float32
  await detector.predict(new Float64Array(4));
  // @ts-expect-error: a shape is needed beside data
  await detector.predict({ data: batch });
  // @ts-expect-error: a list of values is no batch
  await detector.predict([1, 2, 3, 4]);
  // @ts-expect-error: `explain` belongs to score()
  await detector.predict(batch, { explain: 1 });
  // @ts-expect-error: a rate
  await detector.calibrate([batch], { tpr: '95%' });
  // @ts-expect-error: named sets
  await evaluate(detector, { id: [batch], far: [batch] });
  // @ts-expect-error: ID samples are needed
  await evaluate(detector, { far: { svhn: [batch] } });
  // @ts-expect-error: a path or bytes
  await inspect(1);
  // @ts-expect-error: two lists of scores
  metrics.auroc([1]);
}

export function wrongResults(detector: NACUE, score: Score): void {
  // @ts-expect-error: there after calibrate() only
  score.isOutlier.length;
  // @ts-expect-error: scores are float32
  const scores: Float64Array = score.scores;
  // @ts-expect-error: counts are BigInt
  const count: number | undefined = detector.counts('fc').data[0];
  // @ts-expect-error: read-only
  detector.threshold = 0;
  // @ts-expect-error: no such code
  new NacueError('ERR_NACUE_NONE', 'none');
  void [scores, count];
}
