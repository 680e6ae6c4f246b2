import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { inspect, NACUE, type NACUEOptions } from 'nacue';
import { type Expected, rejectsWith } from './failures.js';
import { fixture, sampleShape } from './fixtures.js';

const options: NACUEOptions = { layers: ['layer1'], inputShape: sampleShape };

describe('NACUE.create with a bad model', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nacue-models-'));
  after(() => fs.rmSync(folder, { recursive: true }));
  const written = (name: string, bytes: Uint8Array | string) => {
    fs.writeFileSync(path.join(folder, name), bytes);
    return path.join(folder, name);
  };
  const small = fs.readFileSync(fixture('small.pt'));
  const format = 'ERR_NACUE_MODEL_FORMAT' as const;

  const cases: [string, () => string | Uint8Array, Expected][] = [
    [
      'a missing file',
      () => path.join(folder, 'none.pt'),
      { code: 'ERR_NACUE_MODEL_NOT_FOUND', message: /no such file/ },
    ],
    ['a folder', () => folder, { code: 'ERR_NACUE_MODEL_NOT_FOUND', message: /it is a folder/ }],
    ['an empty file', () => written('empty.pt', ''), { code: format, message: /empty/ }],
    ['empty bytes', () => new Uint8Array(0), { code: format, message: /empty/ }],
    [
      'a truncated file',
      () => written('cut.pt', small.subarray(0, small.length - 700)),
      { code: format, message: /truncated|end/ },
    ],
    [
      'a file that is no zip',
      () => written('text.pt', 'hello, this is not a model'.repeat(9)),
      { code: format, message: /zip/ },
    ],
    ['a state_dict', () => fixture('state_dict.pt'), { code: format, message: /torch\.save|state_dict/ }],
    ['an old state_dict', () => fixture('legacy_state_dict.pt'), { code: format, message: /torch\.save/ }],
    ['a .pt2', () => fixture('exported.pt2'), { code: format, message: /torch\.export/ }],
    ['a module without forward', () => fixture('no_forward.pt'), { code: format, message: /forward/ }],
    ['a forward with two inputs', () => fixture('two_inputs.pt'), { code: format, message: /2 inputs \(x, mask\)/ }],
    ['a frozen model', () => fixture('frozen.pt'), { code: 'ERR_NACUE_MODEL_FROZEN', message: /frozen/ }],
    ['an optimised model', () => fixture('optimized.pt'), { code: 'ERR_NACUE_MODEL_FROZEN', message: /frozen/ }],
    [
      'a model traced in training mode',
      () => fixture('traced_in_training.pt'),
      { code: 'ERR_NACUE_MODEL_TRAINING', message: /eval\(\)/ },
    ],
  ];
  for (const [name, model, expected] of cases) {
    it(`rejects ${name}`, () => rejectsWith(NACUE.create(model(), options), expected));
    it(`rejects ${name} in inspect() too`, async () => {
      if (expected.code !== 'ERR_NACUE_MODEL_FROZEN' && !name.includes('two inputs'))
        await rejectsWith(inspect(model()), expected);
    });
  }

  it('rejects what is neither a path nor bytes', async () => {
    for (const model of [undefined, null, 5, {}, [], new Float32Array(4), new ArrayBuffer(8)]) {
      await rejectsWith(NACUE.create(model as string, options), {
        type: TypeError,
        code: 'ERR_NACUE_INVALID_ARG_TYPE',
        message: /^model must be a path or a Uint8Array, received /,
      });
    }
  });
});

describe('NACUE.create with a bad layer', () => {
  const cases: [string, string, string[], Expected][] = [
    [
      'an unknown layer',
      'small',
      ['layr1'],
      { code: 'ERR_NACUE_LAYER_NOT_FOUND', message: /'layr1'.*did you mean 'layer1'/ },
    ],
    ['an empty name', 'small', [''], { code: 'ERR_NACUE_LAYER_NOT_FOUND', message: /''/ }],
    ['a parameter', 'small', ['fc.weight'], { code: 'ERR_NACUE_LAYER_NOT_FOUND', message: /fc\.weight/ }],
    [
      'a layer that is never called',
      'off_path',
      ['relu'],
      { code: 'ERR_NACUE_LAYER_NOT_EXECUTED', message: /'relu' is never called/ },
    ],
    [
      'a layer that runs twice',
      'repeated',
      ['relu'],
      { code: 'ERR_NACUE_LAYER_REPEATED', message: /'relu' runs 2 times/ },
    ],
    [
      'a traced layer that runs twice',
      'repeated_traced',
      ['relu'],
      { code: 'ERR_NACUE_LAYER_REPEATED', message: /'relu' runs 2 times/ },
    ],
    ['a layer in a loop', 'looped', ['layer1'], { code: 'ERR_NACUE_LAYER_REPEATED', message: /'layer1' runs 2 times/ }],
    [
      'a layer that returns a tuple',
      'recurrent',
      ['rnn'],
      { code: 'ERR_NACUE_LAYER_OUTPUT', message: /'rnn'.*[Tt]uple/ },
    ],
    ['a layer behind a detach', 'off_path', ['layer1'], { code: 'ERR_NACUE_LAYER_NOT_ON_PATH', message: /'layer1'/ }],
    [
      'a layer the logits do not use',
      'off_path',
      ['conv1', 'bn1'],
      { code: 'ERR_NACUE_LAYER_NOT_ON_PATH', message: /'bn1'/ },
    ],
    [
      'a layer of the branch not taken',
      'branching',
      ['layer1'],
      { code: 'ERR_NACUE_LAYER_NOT_EXECUTED', message: /another branch/ },
    ],
  ];
  for (const [name, model, layers, expected] of cases) {
    it(`rejects ${name}`, () =>
      rejectsWith(NACUE.create(fixture(`${model}.pt`), { layers, inputShape: sampleShape }), expected));
  }

  it('finds at the first batch what needs a shape, and stays usable', async () => {
    await using detector = await NACUE.create(fixture('branching.pt'), { layers: ['layer1'] });
    const batch = (value: number) => ({ data: new Float32Array(128).fill(value), shape: [2, ...sampleShape] });
    await rejectsWith(detector.fit([batch(-1)]), { code: 'ERR_NACUE_LAYER_NOT_EXECUTED', message: /another branch/ });
    await detector.fit([batch(1)]);
    await rejectsWith(detector.predict(batch(-1)), { code: 'ERR_NACUE_LAYER_NOT_EXECUTED', message: /another branch/ });
    await detector.predict(batch(1));
  });
});

describe('NACUE.create with outputs other than logits', () => {
  const create = (model: string, output?: number | string) =>
    NACUE.create(fixture(`${model}.pt`), {
      layers: ['conv1'],
      inputShape: sampleShape,
      ...(output === undefined ? {} : { output }),
    });

  it('takes the element that the option output names', async () => {
    for (const [model, output] of [
      ['tuple_output', 1],
      ['dict_output', 'logits'],
      ['dict_output', 1],
    ] as const) {
      await using detector = await create(model, output);
      assert.equal(detector.layers[0]?.neurons, 4);
    }
  });

  it('takes the first element of a dict without the option', async () => {
    await using detector = await create('dict_output');
    assert.equal(detector.layers[0]?.neurons, 4);
  });

  const cases: [string, string, number | string | undefined, RegExp][] = [
    ['one class', 'one_class', undefined, /C >= 2.*\[1, 1\]/],
    ['a scalar as the first element', 'tuple_output', undefined, /logits of shape/],
    ['an index that is not there', 'tuple_output', 2, /has 2 elements, output 2/],
    ['a name in a tuple without names', 'tuple_output', 'logits', /no element 'logits'/],
    ['a name that is not there', 'dict_output', 'scores', /no element 'scores'; it has 'features', 'logits'/],
    ['an element of a plain tensor', 'small', 0, /returns one tensor/],
  ];
  for (const [name, model, output, message] of cases) {
    it(`rejects ${name}`, () => rejectsWith(create(model, output), { code: 'ERR_NACUE_LOGITS', message }));
  }
});
