/** Every binning, reduce and preset on the device beside the same on the CPU, whose numbers the parity tests hold to the last bit. */
import { NACUE } from 'nacue';
import { fixture, meanDistance, movedShare, noise, relativeDistance, steepness } from './samples.mjs';

/**
 * float32 rounds differently on two devices, and what is near an edge falls into another bin: `moved` is the share of (sample, neuron)
 * pairs of a layer that did, beyond one, which is much in a small layer; `scores` their mean difference.
 */
const most = { contributions: 1e-4, moved: 1e-3, scores: 1e-2 };
const sizes = [33, 1, 8];
const greyscale = [1, 8, 8];
const colour = [3, 16, 16];

const small = { model: 'small.pt', sample: greyscale, layers: ['conv1', 'layer1', 'avgpool', 'fc'] };
const shapes = {
  model: 'shapes.pt',
  sample: greyscale,
  layers: ['plane', 'volume', 'tokens', 'encoder.ln', 'rows', 'fc'],
};
const tokens = { ...shapes, layers: ['tokens', 'encoder.ln'] };
const resnet = { model: 'tiny_resnet.pt', sample: colour, layers: ['layer1', 'layer2', 'layer3', 'avgpool'] };
const vit = { model: 'tiny_vit.pt', sample: colour, layers: ['encoder.layers.encoder_layer_11.ln_2', 'encoder.ln'] };

const cases = [
  ...['geometric', 'uniform', 'logit', 'openood'].map((binning) => ({ ...small, options: { binning } })),
  ...[2, 7, 1000].map((mBins) => ({ ...small, options: { mBins } })),
  { ...shapes, options: { mBins: [4, 5, 6, 50, 51, 200], oStar: [1, 2, 3, 4, 5, 6] } },
  ...['mean', 'sum', 'max-abs', 'flatten'].map((featureReduce) => ({ ...shapes, options: { featureReduce } })),
  ...['first-token', 'mean-tokens', 'channels-last'].map((featureReduce) => ({
    ...tokens,
    options: { featureReduce },
  })),
  { ...tokens, options: { featureReduce: fixture('reduce_mean_tokens.pt') }, title: 'a TorchScript module as reduce' },
  ...[small, shapes, resnet, vit].map((model) => ({ ...model, options: { preset: 'openood' } })),
  { ...resnet, options: { aggregation: 'mean', layerWeights: [1, 2, 0, 0.5] } },
  {
    model: 'sequences.pt',
    sample: greyscale,
    layers: ['attention[0]', 'lstm[0]'],
    options: {},
    title: 'attention and LSTM',
  },
  { model: 'recurrent.pt', sample: greyscale, layers: ['rnn[0]'], options: {}, title: 'GRU' },
  { model: 'thrice.pt', sample: greyscale, layers: ['block#1', 'block#3'], options: {}, title: 'chosen calls' },
  {
    model: 'handed_through.pt',
    sample: greyscale,
    layers: ['shortcut', 'pair[1]'],
    options: {},
    title: 'handed through',
  },
];

export function checks(context) {
  return cases.map((item) => ({
    name:
      item.title ??
      `${item.model.replace('.pt', '')}, ${JSON.stringify(item.options).slice(1, -1).replaceAll('"', '')}`,
    run: () => compareWithCpu(context, item),
  }));
}

async function compareWithCpu({ device, keep }, { model, sample, layers, options }) {
  const create = (extra) => keep(NACUE.create(fixture(model), { oStar: 4, ...options, layers, ...extra }));
  const batches = sizes.map((count, i) => noise(count, sample, i + 1));
  const probe = await create({ device: 'cpu' });
  const alpha = (await probe.contributions(batches[0])).map(({ data }) => steepness(data));
  const cpu = await create({ device: 'cpu', alpha });
  const other = await create({ device, alpha });
  await Promise.all([cpu, other].map((detector) => detector.fit(batches)));
  const far = noise(16, sample, 99);
  const contributions = await Promise.all([cpu, other].map((detector) => detector.contributions(far)));
  const scores = await Promise.all([cpu, other].map((detector) => detector.predict(far)));
  return verdict({
    contributions: Math.max(...contributions[0].map(({ data }, i) => relativeDistance(data, contributions[1][i].data))),
    moved: Math.max(...layers.map((layer) => movedShare(cpu.counts(layer).data, other.counts(layer).data, 1))),
    scores: meanDistance(...scores),
  });
}

function verdict(values) {
  const entries = Object.entries(most);
  return {
    measured: entries.map(([name]) => `${name} ${values[name].toPrecision(2)}`).join(', '),
    asked: entries.map(([name, bound]) => `${name} ${bound}`).join(', '),
    isMet: entries.every(([name, bound]) => values[name] <= bound),
    values,
  };
}
