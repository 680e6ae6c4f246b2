/** What is measured: modes, rows, and for how long. `layers` are in the order in which they run. */
const stages = ['layer1', 'layer2', 'layer3', 'layer4'];
const blocks = stages.flatMap((stage) => [`${stage}.0`, stage]);
const resnet18 = { model: 'resnet18', side: 224, layers: stages, mBins: 50, call: 'predict' };
const resnet50 = { ...resnet18, model: 'resnet50' };

/** Each is measured in a process of its own; `isExact`: its scores must have the reference's bits. */
export const modes = [
  { name: 'parity', options: {}, isExact: true },
  { name: 'fast', options: { mode: 'fast' }, isExact: false },
];

/** Rounds of all contestants, and samples whose scores are compared. */
export const efforts = {
  full: { seconds: 40, warmUp: 2, fewest: 9, most: 60, checkedSamples: 64 },
  cost: { seconds: 8, warmUp: 1, fewest: 5, most: 20, checkedSamples: 8 },
  quickCost: { seconds: 1, warmUp: 1, fewest: 3, most: 5, checkedSamples: 8 },
  quick: { seconds: 4, warmUp: 1, fewest: 3, most: 20, checkedSamples: 16 },
};

/** The rows beside pytorch-ood; `asked` is the ratio to it that each mode must reach. */
export const rows = [
  {
    ...resnet18,
    name: 'resnet18-16',
    title: 'ResNet-18, 224, batch 16, 4 layers',
    batch: 16,
    asked: { parity: 1.3, fast: 5 },
  },
  {
    ...resnet18,
    name: 'resnet18-1',
    title: 'ResNet-18, 224, batch 1, 4 layers',
    batch: 1,
    asked: { parity: 1.7, fast: 3.3 },
  },
  {
    ...resnet18,
    name: 'resnet18-8-8',
    title: 'ResNet-18, 224, batch 8, 8 layers',
    batch: 8,
    layers: blocks,
    asked: { parity: 2.2, fast: 9 },
  },
  {
    name: 'mobilenet-4',
    title: 'MobileNetV3-small, 96, batch 4, 4 layers',
    model: 'mobilenet_v3_small',
    side: 96,
    batch: 4,
    layers: ['features.1', 'features.3', 'features.8', 'features.12'],
    mBins: 50,
    call: 'predict',
    asked: { parity: 2.2, fast: 2.8 },
  },
  {
    ...resnet18,
    name: 'fit-resnet18-16',
    title: 'fit, ResNet-18, 224, batch 16, 4 layers; per batch',
    call: 'fit',
    batch: 16,
    asked: { parity: 1.2, fast: 4.5 },
  },
];

/** What a call costs when one thing changes; `quick` are the values that --quick keeps. With more layers the earliest stays the same. */
export const costs = [
  {
    name: 'layers',
    quick: [4, 8],
    points: [1, 2, 4, 8].map((count) => ({
      value: count,
      row: { ...resnet18, batch: 8, layers: [blocks[0], ...blocks.slice(9 - count)] },
    })),
  },
  {
    name: 'batch',
    quick: [1, 4],
    points: [1, 2, 4, 8, 16, 32].map((batch) => ({ value: batch, row: { ...resnet18, batch } })),
  },
  {
    name: 'M',
    quick: [50, 1000],
    points: [10, 50, 200, 1000].map((mBins) => ({ value: mBins, row: { ...resnet18, batch: 8, mBins } })),
  },
];

/** What the peak of memory is measured on; `asked`: at most that share of pytorch-ood's peak, or at most that many bytes. */
export const memoryRows = [
  { ...resnet50, title: 'ResNet-50, 224, predict, batch 16', batch: 16, besidePeer: true, asked: { share: 0.6 } },
  {
    ...resnet50,
    title: 'ResNet-50, 224, fit, batch 16',
    call: 'fit',
    batch: 16,
    besidePeer: true,
    asked: { bytes: 1.2e9 },
  },
  {
    ...resnet50,
    title: "ResNet-50, 224, predict, batch 256, chunkSize 'auto', memoryLimit 300 MB",
    batch: 256,
    options: { chunkSize: 'auto', memoryLimit: 300e6 },
    isSlow: true,
    asked: { bytes: 300e6 },
  },
];

/** What runs for minutes: every round scores one batch of each size. */
export const soakRow = { ...resnet18, batches: [16, 1, 7, 2, 11, 4, 1, 8] };
