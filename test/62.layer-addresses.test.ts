import assert from 'node:assert/strict';
import { inspect, NACUE, type NACUEOptions, type Preset } from 'nacue';
import { type Expected, rejectsWith } from './failures.js';
import { fixture, randomBatch, sampleShape } from './fixtures.js';

const fit = randomBatch(24, sampleShape, 3);
const batch = randomBatch(6, sampleShape, 4);
const create = (model: string, layers: string[], options: Partial<NACUEOptions> = {}) =>
  NACUE.create(fixture(`${model}.pt`), { layers, alpha: 2000, oStar: 5, mBins: 12, ...options });

/** All that a detector says of the layers, their names left out. */
async function numbersOf(model: string, layers: string[], options: Partial<NACUEOptions> = {}) {
  await using detector = await create(model, layers, options);
  await detector.fit([fit]);
  const nameless = <T extends { layer: string }>(parts: T[] = []) => parts.map(({ layer: _, ...part }) => part);
  const { explanation, ...score } = await detector.score(batch, { explain: 2 });
  return {
    contributions: nameless(await detector.contributions(batch)),
    counts: layers.map((layer) => detector.counts(layer)),
    score,
    explanation: nameless(explanation),
    outputs: detector.layers.map(({ outputShape, neurons }) => [outputShape, neurons]),
  };
}

describe('an address has the numbers of a model whose module of its own gives that output', () => {
  const elements = ['pyramid[0]', 'pyramid[1]', 'named[0]', 'named[1]', 'derived[0]', 'derived[1]'];
  const nested = ['nested[1][0]', 'nested[1][1][1]'];
  const picked = (layers: string[]) => layers.map((layer) => layer.replaceAll('[', '_').replaceAll(']', ''));
  const cases: [string, string, string[], string, string[]][] = [
    [
      'calls of a scripted module',
      'thrice',
      ['block#1', 'block#2', 'block#3'],
      'unrolled',
      ['block1', 'block2', 'block3'],
    ],
    [
      'calls of a traced module',
      'thrice_traced',
      ['block#1', 'block#2', 'block#3'],
      'unrolled',
      ['block1', 'block2', 'block3'],
    ],
    [
      'calls of a module inside',
      'thrice',
      ['block.conv#1', 'block.conv#2', 'block.conv#3'],
      'unrolled',
      ['block1.conv', 'block2.conv', 'block3.conv'],
    ],
    ['calls in another order', 'thrice', ['block#3', 'stem', 'block#1'], 'unrolled', ['block3', 'stem', 'block1']],
    ['the only call', 'unrolled', ['block1#1', 'fc#1'], 'unrolled', ['block1', 'fc']],
    [
      'nn.MultiheadAttention and nn.LSTM',
      'sequences',
      ['attention[0]', 'lstm[0]'],
      'sequences_picked',
      ['attention_0', 'lstm_0'],
    ],
    ['a traced nn.LSTM', 'sequences_traced', ['lstm[0]'], 'sequences_picked', ['lstm_0']],
    ['nn.GRU', 'recurrent', ['rnn[0]'], 'recurrent_picked', ['rnn_0']],
    ['nn.GRU, its only call', 'recurrent', ['rnn#1[0]'], 'recurrent_picked', ['rnn_0']],
    [
      'lists, named tuples, nested ones, elements made of others',
      'elements',
      [...elements, ...nested],
      'elements_picked',
      picked([...elements, ...nested]),
    ],
    [
      'traced tuples',
      'elements_traced',
      ['pyramid[0]', 'pyramid[1]', 'named[1]'],
      'elements_picked',
      picked(['pyramid[0]', 'pyramid[1]', 'named[1]']),
    ],
  ];
  for (const [name, model, layers, equivalent, modules] of cases) {
    for (const preset of ['pytorch-ood', 'openood'] as Preset[]) {
      it(`${name}, preset ${preset}`, async () => {
        assert.deepEqual(
          await numbersOf(model, layers, { preset, mBins: 12 }),
          await numbersOf(equivalent, modules, { preset, mBins: 12 }),
        );
      });
    }
    if (layers.length === 1) continue;
    it(`${name}, one by one`, async () => {
      for (const [i, layer] of layers.entries())
        assert.deepEqual(await numbersOf(model, [layer]), await numbersOf(equivalent, [modules[i] as string]), layer);
    });
  }

  it('a call in a loop', async () => {
    const [first, second] = (await numbersOf('looped', ['layer1#1', 'layer1#2'])).contributions;
    assert.notDeepEqual(first, second);
    assert.deepEqual((await numbersOf('looped', ['layer1#2'])).contributions, [second]);
  });

  it('repeated activations, scripted and traced', async () => {
    const layers = ['relu#1', 'relu#2', 'conv1'];
    assert.deepEqual(await numbersOf('repeated', layers), await numbersOf('repeated_traced', layers));
  });
});

describe('a detector with addresses', () => {
  it('gives each address the options of its place', async () => {
    const layers = ['block#3', 'block#1'];
    await using detector = await create('thrice', layers, {
      mBins: [6, 8],
      alpha: [10, 900],
      oStar: [2, 3],
      featureReduce: ['flatten', 'auto'],
      layerWeights: [0, 1],
    });
    await detector.fit([fit]);
    assert.deepEqual(
      detector.layers.map(({ name, mBins, alpha, neurons }) => [name, mBins, alpha, neurons]),
      [
        ['block#3', 6, 10, 256],
        ['block#1', 8, 900, 4],
      ],
    );
    assert.deepEqual(detector.counts('block#1').shape, [4, 8]);
    await using alone = await create('unrolled', ['block1'], { mBins: 8, alpha: 900, oStar: 3 });
    await alone.fit([fit]);
    assert.deepEqual(await detector.predict(batch), await alone.predict(batch));
  });

  it('names them in counts(), explanations and contributions as they were given', async () => {
    const layers = ['lstm#1[0]', 'attention[0]'];
    await using detector = await create('sequences', layers);
    await detector.fit([fit]);
    const { explanation } = await detector.score(batch, { explain: 1 });
    assert.deepEqual(
      explanation?.map(({ layer }) => layer),
      layers,
    );
    assert.deepEqual(
      (await detector.contributions(batch)).map(({ layer }) => layer),
      layers,
    );
    assert.equal(detector.counts('lstm#1[0]').shape[0], 48);
    assert.throws(() => detector.counts('lstm[0]'), { code: 'ERR_NACUE_LAYER_NOT_FOUND' });
  });

  it('is restored from its state', async () => {
    for (const [model, layers] of [
      ['thrice', ['block#2', 'block.conv#1']],
      ['elements', ['nested[1][1][1]', 'named[0]']],
    ] as const) {
      await using detector = await create(model, [...layers]);
      await detector.fit([fit]);
      await using restored = await NACUE.restore(fixture(`${model}.pt`), await detector.toBuffer());
      assert.deepEqual(
        restored.layers.map(({ name }) => name),
        layers,
      );
      assert.deepEqual(await restored.predict(batch), await detector.predict(batch));
    }
  });

  it('is what inspect() leads to', async () => {
    const modules = new Map((await inspect(fixture('elements.pt'))).map((module) => [module.path, module]));
    assert.equal(modules.get('nested')?.outputType, 'Tuple[Tensor, Tuple[Tensor, List[Tensor]], int]');
    const block = (await inspect(fixture('thrice.pt'))).find(({ path }) => path === 'block');
    assert.equal(block?.calls, 3);
  });
});

describe('an address that is refused', () => {
  const refused = (code: Expected['code'], message: RegExp): Expected => ({ code, message });
  const atOnce: [string, string[], Expected][] = [
    ['thrice', ['block'], refused('ERR_NACUE_LAYER_REPEATED', /runs 3 times.*'block#1' to 'block#3'$/)],
    ['thrice', ['block', 'block#2'], refused('ERR_NACUE_LAYER_REPEATED', /'block' runs 3 times/)],
    [
      'thrice',
      ['stem', 'stem#1'],
      refused('ERR_NACUE_LAYER_REPEATED', /^layers 'stem' and 'stem#1' are one and the same/),
    ],
    ['thrice', ['block#1', 'block#01'], refused('ERR_NACUE_LAYER_REPEATED', /one and the same output/)],
    ['sequences', ['lstm[0]', 'lstm#1[0]'], refused('ERR_NACUE_LAYER_REPEATED', /one and the same output/)],
    ['thrice', ['block#4'], refused('ERR_NACUE_LAYER_NOT_EXECUTED', /'block#4' does not exist: 'block' runs 3 times/)],
    ['thrice_traced', ['block#4'], refused('ERR_NACUE_LAYER_NOT_EXECUTED', /'block#4' does not exist/)],
    ['thrice', ['stem#2'], refused('ERR_NACUE_LAYER_NOT_EXECUTED', /'stem' runs once per forward/)],
    ['thrice', ['blok#2'], refused('ERR_NACUE_LAYER_NOT_FOUND', /'blok' is not a submodule.*did you mean 'block'/)],
    ['thrice', ['stem[0]'], refused('ERR_NACUE_LAYER_OUTPUT', /it is one already: leave \[0\] away$/)],
    ['elements_traced', ['derived[0]'], refused('ERR_NACUE_LAYER_OUTPUT', /'derived'.*leave \[0\] away$/)],
    ['elements', ['pyramid'], refused('ERR_NACUE_LAYER_OUTPUT', /List\[Tensor\]; choose an element, 'pyramid\[0\]'/)],
    ['elements', ['named#1'], refused('ERR_NACUE_LAYER_OUTPUT', /choose an element, 'named#1\[0\]'/)],
    ['sequences', ['attention'], refused('ERR_NACUE_LAYER_OUTPUT', /Tuple\[.*'attention\[0\]' is the first$/)],
    [
      'elements',
      ['labelled'],
      refused('ERR_NACUE_LAYER_OUTPUT', /Dict\[str, Tensor\], whose elements have no numbers/),
    ],
    [
      'elements',
      ['labelled[0]'],
      refused('ERR_NACUE_LAYER_OUTPUT', /Dict\[str, Tensor\], whose elements have no numbers/),
    ],
  ];
  for (const [model, layers, expected] of atOnce)
    it(`${layers.join(' and ')} of ${model}.pt`, () => rejectsWith(create(model, layers), expected));

  for (const call of ['#', '#0', '#-1', '#+1', '#1.5', '# 1', '#two', '#1#2', '#99999999999999999999']) {
    it(`block${call}, which is malformed`, () =>
      rejectsWith(
        create('thrice', [`block${call}`]),
        refused('ERR_NACUE_LAYER_NOT_FOUND', /is no address of a layer: after '#' stands the number of a call/),
      ));
  }

  for (const element of ['[', '[]', '[0', '[a]', '[-1]', '[0] ', '[0]x', '[0]#1', '[0]]', '[[0]]']) {
    it(`lstm${element}, which is malformed`, () =>
      rejectsWith(
        create('sequences', [`lstm${element}`]),
        refused('ERR_NACUE_LAYER_NOT_FOUND', /is no address of a layer: '\[' and '\]' enclose the index/),
      ));
  }

  for (const name of ['#1', '[0]', '.#1'])
    it(`${name}, which has no module`, () =>
      rejectsWith(create('thrice', [name]), refused('ERR_NACUE_LAYER_NOT_FOUND', /is not a submodule/)));

  const whenRun: [string, string, Expected][] = [
    ['elements', 'pyramid[2]', refused('ERR_NACUE_LAYER_OUTPUT', /no tensor: 'pyramid' returns List\[Tensor\]$/)],
    ['elements', 'pyramid[0][0]', refused('ERR_NACUE_LAYER_OUTPUT', /'pyramid\[0\]\[0\]'.* no tensor/)],
    ['elements', 'nested[1]', refused('ERR_NACUE_LAYER_OUTPUT', /no tensor: 'nested' returns Tuple/)],
    ['elements', 'nested[2]', refused('ERR_NACUE_LAYER_OUTPUT', /no tensor/)],
    ['sequences', 'attention[1]', refused('ERR_NACUE_LAYER_NOT_ON_PATH', /'attention\[1\]'/)],
    ['looped', 'layer1', refused('ERR_NACUE_LAYER_REPEATED', /runs 2 times.*'layer1#1' to 'layer1#2'/)],
    ['looped', 'layer1#3', refused('ERR_NACUE_LAYER_NOT_EXECUTED', /'layer1#3' does not exist.*2 times/)],
    ['branching', 'layer1#2', refused('ERR_NACUE_LAYER_NOT_EXECUTED', /another branch|runs once/)],
  ];
  for (const [model, layer, expected] of whenRun) {
    it(`${layer} of ${model}.pt, once the model runs`, async () => {
      await using detector = await create(model, [layer]);
      await rejectsWith(detector.contributions(batch), expected);
      await rejectsWith(detector.fit([fit]), expected);
      assert.equal(detector.fitted, false);
      await rejectsWith(create(model, [layer], { inputShape: sampleShape }), { ...expected, message: /./ });
    });
  }

  it('lstm[1][0], whose batch comes second', async () => {
    await using detector = await create('sequences', ['lstm[1][0]']);
    const expected = refused('ERR_NACUE_LAYER_OUTPUT', /it is Float \[1, 6, 6\] for a batch of 6$/);
    await rejectsWith(detector.contributions(batch), expected);
  });

  it('a branch that a later batch does not take: the fit is whole or not at all', async () => {
    await using detector = await create('branching', ['layer1#1']);
    const positive = { ...batch, data: batch.data.map(Math.abs) };
    const negative = { ...batch, data: batch.data.map((value) => -Math.abs(value)) };
    await detector.fit([positive]);
    const before = detector.counts('layer1#1');
    await rejectsWith(
      detector.partialFit([positive, negative]),
      refused('ERR_NACUE_LAYER_NOT_EXECUTED', /'layer1#1' was not executed/),
    );
    assert.deepEqual(detector.counts('layer1#1'), before);
  });
});
