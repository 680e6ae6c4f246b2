// Must compile: what README and docs/ promise, written as an application writes it.
import {
  type Batch,
  type Device,
  type Evaluation,
  errorCodes,
  evaluate,
  inspect,
  type LayerContributions,
  libtorchVersion,
  type ModuleInfo,
  metrics,
  NACUE,
  type NACUEOptions,
  NacueError,
  type NacueErrorCode,
  presets,
  type Score,
  type Tensor,
  tune,
  version,
} from 'nacue';

// A new option that is missing here is an error.
export const everyOption: Required<NACUEOptions> = {
  layers: ['layer3', 'avgpool'],
  preset: 'openood',
  mBins: [50, 20],
  alpha: 0.5,
  oStar: [50, 10] as const,
  binning: 'uniform',
  featureReduce: ['mean', './reduce.pt'],
  aggregation: 'mean',
  layerWeights: [1, 2],
  device: 'cuda:1',
  numThreads: 2,
  mode: 'fast',
  precision: 'bfloat16',
  chunkSize: 'auto',
  memoryLimit: 2 ** 30,
  inputShape: [3, 224, 224] as const,
  output: 'logits',
  nonFinite: 'reference',
  nativeBinding: './prebuilds',
  signal: new AbortController().signal,
};
export const onlyLayers: NACUEOptions = { layers: ['fc'], output: 1, mBins: 20, alpha: [1], featureReduce: 'auto' };
export const devices: Device[] = ['cpu', 'cuda', 'cuda:0', 'auto'];

export async function* stream(): AsyncGenerator<Batch> {
  yield { data: new Float32Array(4), shape: [1, 4] };
  yield { data: new Float32Array(4), dims: [1, 4] };
  yield new Float32Array(4);
}

export async function detect(signal: AbortSignal): Promise<number> {
  await using detector = await NACUE.create('classifier.pt', everyOption);
  const fitted: NACUE = await detector.fit(stream(), { signal, onProgress: ({ samples }) => samples.toFixed() });
  await fitted.partialFit([new Float32Array(4)]);
  const threshold: number = await detector.calibrate(stream(), { tpr: 0.95, signal });

  const scores: Float32Array = await detector.predict(new Float32Array(4), { signal });
  const score: Score = await detector.score(new Float32Array(4), { explain: 3 });
  const logits: Tensor = score.logits;
  const outliers: Uint8Array | undefined = score.isOutlier;
  const neurons: Int32Array | undefined = score.explanation?.[0]?.neurons;
  const contributions: LayerContributions[] = await detector.contributions(new Float32Array(4));
  const { data, shape } = detector.counts('fc');
  const cells: bigint | undefined = data[shape[0] * shape[1] - 1];
  const { total, layers } = await detector.coverage();
  const known: number | undefined = detector.layers[0]?.neurons;

  await (await detector.setOStar(10)).to('cpu');
  await detector.save('fit.safetensors');
  const merged: Uint8Array = NACUE.merge([await detector.toBuffer(), 'fit.safetensors']);
  await using restored = await NACUE.restore(new Uint8Array(8), merged, { allowModelMismatch: true, device: 'auto' });
  const set: boolean = restored.threshold === undefined && restored.fitted && !restored.closed;
  void [threshold, logits.shape, outliers, neurons, contributions[0]?.layer, cells, layers[0]?.coverage, known, set];
  return (scores[0] ?? 0) + total;
}

export async function compare(detector: NACUE): Promise<string> {
  const sets = { id: stream(), near: { cifar100: [new Float32Array(4)] }, far: { svhn: stream() } };
  const evaluation: Evaluation = await evaluate(detector, sets, { tpr: 0.9, onScore: (set) => set.trim() });
  const auroc: number | undefined = evaluation.means.far?.nacue.auroc;
  const tuning = await tune({
    detector,
    fit: stream(),
    id: stream(),
    ood: { textures: stream() },
    grid: { alpha: [1, 10] },
  });
  const modules: ModuleInfo[] = await inspect('classifier.pt', { inputShape: [3, 224, 224] });
  const area: number = metrics.auroc([0, 1], new Float64Array(2));
  await tuning.detector.close();
  return `${auroc} ${area} ${modules[0]?.path} ${presets.cifar10ResNet18.layers[0]} ${version} ${libtorchVersion()}`;
}

export function codeOf(error: unknown): NacueErrorCode | undefined {
  if (!(error instanceof NacueError)) return undefined;
  const meaning: string = errorCodes[error.code];
  return error.detail === meaning ? undefined : error.code;
}
