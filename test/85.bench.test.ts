/** The parts of the benchmark that need no measurement. The packed package has none of them: there the tests skip themselves. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';

interface Round {
  resident: number;
  samplesPerSecond: number;
}

/** Untyped: these programs are not compiled. */
const root = path.join(__dirname, '..');
const isThere = fs.existsSync(path.join(root, 'bench'));
const load = (file: string) => (isThere ? require(path.join(root, file)) : {});
const describeBench = (title: string, body: () => void) => isThere && describe(title, body);
const { readArguments } = load('bench/arguments.mjs');
const { driftOf } = load('bench/drift.mjs');
const { deviation, median, quantile, spearman } = load('bench/statistics.mjs');
const { withFigures } = load('bench/docs.mjs');
const { report } = load('bench/report.mjs');
const { chart } = load('bench/chart.mjs');

describeBench('arguments of the benchmark', () => {
  const read = (line: string) => readArguments(line.split(' ').filter(Boolean));

  it('measures everything by default, in every mode', () => {
    const { wanted, modes, isWrite, minutes } = read('');
    assert.deepEqual(wanted, ['speed', 'memory', 'cost', 'deviation', 'alone', 'soak']);
    assert.deepEqual(
      modes.map(({ name }: { name: string }) => name),
      ['parity', 'fast'],
    );
    assert.deepEqual({ isWrite, minutes }, { isWrite: false, minutes: 10 });
  });

  it('takes parts, rows, modes and minutes', () => {
    const { wanted, rows, modes } = read('--rows resnet18-1 mobilenet-4 --mode fast');
    assert.deepEqual([wanted, rows.length, modes.length], [['speed'], 2, 1]);
    assert.deepEqual(read('--quick').wanted, ['speed', 'memory']);
    assert.deepEqual([read('cost alone --quick').wanted, read('cost --quick').isQuick], [['cost', 'alone'], true]);
    assert.equal(read('soak --minutes 0.5').minutes, 0.5);
  });

  for (const [line, message] of [
    ['nonsense', /no part 'nonsense'; there are speed, /],
    ['--rows nonsense', /no row 'nonsense'; there are resnet18-16, /],
    ['--mode slow', /no mode 'slow'; there are parity, fast/],
    ['--nonsense', /'--nonsense'/],
    ['speed --minutes 3', /--minutes belongs to the part 'soak'/],
    ['soak --minutes 0', /above 0 and up to a day \(1440\), not '0'/],
    ['soak --minutes long', /not 'long'/],
    ['--write --quick', /--write takes the figures of a whole run/],
    ['--write --mode fast', /--write takes the figures of a whole run/],
    ['profile speed', /'profile' runs by itself/],
  ] as const)
    it(`refuses '${line}'`, () => assert.throws(() => read(line), message));
});

describeBench('statistics of the benchmark', () => {
  it('interpolates quantiles', () => {
    assert.equal(median([4, 1, 3]), 3);
    assert.equal(median([4, 1, 3, 2]), 2.5);
    assert.equal(quantile([0, 10], 0.25), 2.5);
  });

  it('correlates ranks, ties at their mean', () => {
    assert.equal(spearman([1, 2, 3], [10, 200, 3000]), 1);
    assert.equal(spearman([1, 2, 3], [3, 2, 1]), -1);
    assert.ok(Math.abs(spearman([1, 2, 2, 3], [1, 2, 3, 4]) - Math.sqrt(0.9)) < 1e-12);
    assert.ok(Number.isNaN(spearman([1, 1], [1, 2])));
  });

  it('names the largest difference of scores', () =>
    assert.deepEqual(deviation([-1, -2], [-1.5, -2]), { samples: 2, spearman: 1, maxDifference: 0.5 }));
});

describeBench('drift over a long run', () => {
  const rounds = (change: (index: number) => Partial<Round>): Round[] =>
    Array.from({ length: 40 }, (_, i) => ({ resident: 1e9, samplesPerSecond: 100, ...change(i) }));

  it('finds none in a flat run, whatever its start was', () =>
    assert.deepEqual(driftOf(rounds((i) => (i < 5 ? { resident: 5e8, samplesPerSecond: 150 } : {}))), []));

  it('finds memory that grows', () =>
    assert.match(driftOf(rounds((i) => ({ resident: 1e9 + 5e6 * i })))[0], /resident memory grew from .* MB to .* MB/));

  it('finds work that slows down', () =>
    assert.match(
      driftOf(rounds((i) => ({ samplesPerSecond: 100 - i })))[0],
      /throughput fell from .* to .* samples\/s/,
    ));

  it('does not pass a run that is too short', () =>
    assert.match(driftOf(rounds(() => ({})).slice(0, 5))[0], /too few/));
});

describeBench('report of the benchmark', () => {
  const times = (medianMs: number) => ({ medianMs, lowerQuartileMs: medianMs - 1, upperQuartileMs: medianMs + 1 });
  const row = {
    name: 'row',
    title: 'a <row>',
    times: { peer: times(600), parity: times(500), fast: times(100), forward: times(200) },
    ratios: { parity: 1.2, fast: 6 },
    asked: { parity: 1.3, fast: 5 },
    operations: { forward: 58e9, backward: 40e9 },
    plans: { fast: { precision: 'bfloat16' } },
    agreement: { fast: { samples: 8, equal: false, spearman: 0.999, maxDifference: 0.01 } },
  };
  const results = {
    machine: { processor: 'a processor', threads: 2, node: 'v20', libtorch: '2.11.0', pytorchOod: '0.4.0' },
    rates: { float32: 328e9, bfloat16: 1161e9 },
    rows: [row],
    memory: [
      {
        title: 'memory',
        peaks: { peer: { loaded: 1e8, extra: 1e9 }, parity: { loaded: 2e8, extra: 7e8 } },
        shares: { peer: 1, parity: 0.7 },
        asked: { share: 0.6 },
      },
      { title: 'limit', peaks: { parity: { loaded: 2e8, extra: 2.9e8 } }, shares: {}, asked: { bytes: 3e8 } },
    ],
    deviation: {
      demo: { parity: { noise: 0.99 }, fast: { noise: 0.98 } },
      nets: [
        {
          name: 'a net',
          deviations: {
            parity: { samples: 8, spearman: 1, maxDifference: 0 },
            fast: { samples: 8, spearman: Number.NaN, maxDifference: 0.1 },
            float64: { samples: 8, spearman: 0.9, maxDifference: 0.1 },
          },
        },
      ],
    },
    soak: {
      fast: { minutes: 10, rounds: Array(10).fill({ resident: 1e9, samplesPerSecond: 100 }), drift: ['it grew'] },
    },
  };
  const markdown = report(results);

  it('marks what was missed, and nothing else', () => {
    assert.match(markdown, /1\.20 \(asked: 1\.3: \*\*missed\*\*\)/);
    assert.match(markdown, /6\.00 \(asked: 5\)/);
    assert.match(markdown, /0\.70 \| at most 0\.6: \*\*missed\*\* \|/);
    assert.match(markdown, /290 MB \| {2}\| at most 300 MB \|/);
    assert.match(markdown, /noise \| 0\.9900 \| 0\.9800 \| 0\.0100: \*\*missed\*\*/);
    assert.match(markdown, /a net \| fast \| 8 \| NaN: \*\*missed\*\* \| 0\.90000 \| 0\.10 \|/);
    assert.match(markdown, /\*\*it grew\*\*/);
  });

  it('says what the machine could do at best', () => {
    assert.match(markdown, /299 \| 84\.4 \|$/m);
    assert.match(markdown, /328 GFLOP\/s in float32 and 1161 in bfloat16/);
  });

  it('gives every row of a table as many cells as its head', () => {
    for (const block of markdown.split('\n\n').filter((text: string) => text.startsWith('|'))) {
      const widths = block.split('\n').map((line: string) => line.split(' | ').length);
      assert.equal(new Set(widths).size, 1, block);
    }
  });

  it('tells the cost of layers, of a search, and the delay of the event loop', () => {
    const { machine } = results;
    const point = (value: number, own: number) => {
      return {
        value,
        times: { peer: times(600), parity: times(own), forward: times(200) },
        ratios: { parity: 600 / own },
      };
    };
    const delays = (ms: number) => ({ delayP99Ms: ms, delayMaxMs: ms + 1, readFileMaxMs: ms });
    const tune = [
      { side: 32, scored: 1000, passCpu: 4.8, searchCpu: 1, searchWall: 0.5, ratio: 0.21 },
      { side: 224, scaledFrom: 64, passCpu: 159, searchCpu: 1, ratio: 0.0064 },
    ];
    const text = report({
      machine,
      costs: [{ name: 'layers', points: [point(4, 100), point(8, 115)] }],
      alone: { loop: { idle: delays(5), predicting: delays(25) }, tune },
    });
    assert.match(text, /8 layers over 4, at most 1\.10: parity 1\.15: \*\*missed\*\*/);
    assert.match(text, /p99 under 20 ms: \*\*missed\*\*/);
    assert.match(text, /224x224 \(pass scaled from 64 images\) \| 159 s \| those of the first row/);
    assert.doesNotMatch(text, /undefined|NaN/);
  });

  it('leaves out what was not measured', () => {
    const { machine, memory } = results;
    assert.doesNotMatch(report({ machine, memory }), /Beside pytorch-ood|Deviation|Over time|undefined/);
  });

  it('draws a bar for each contestant, and escapes titles', () => {
    const svg = chart([row]);
    assert.equal(svg.match(/<rect x=/g)?.length, 4);
    assert.match(svg, /a &#60;row&#62;/);
  });
});

describeBench('figures on the page of benchmarks', () => {
  const page = path.join(root, 'docs', 'benchmarks.md');

  it('replaces what stands between the markers, and nothing else', () => {
    const before = fs.readFileSync(page, 'utf8');
    const after: string = withFigures(before, 'new figures');
    assert.match(after, /<!-- figures of npm run bench -->\n\nnew figures\n\n<!-- end of the figures -->/);
    const around = (text: string) => text.split(/<!-- (?:figures of npm run bench|end of the figures) -->/);
    assert.deepEqual([around(after)[0], around(after)[2]], [around(before)[0], around(before)[2]]);
    assert.equal(withFigures(after, 'new figures'), after);
  });

  it('refuses a page without them', () => assert.throws(() => withFigures('# Benchmarks\n', ''), /lacks the line/));
});
