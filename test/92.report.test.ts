import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import zlib from 'node:zlib';
import {
  type EvaluationRecord,
  evaluate,
  metrics,
  type PlotName,
  recordEvaluation,
  renderPlot,
  renderReport,
  type Score,
} from 'nacue';
import { mapCoverage } from '../dist/report/coverage-map.js';
import { curvesOf } from '../dist/report/curves.js';
import { escapeHtml, html, scriptJson } from '../dist/report/html.js';
import { plotNames } from '../dist/report/plot-names.js';
import { encodePng } from '../dist/report/png.js';
import { isPicture, pictureOfArray } from '../dist/report/sample-picture.js';
import { histogramsOf, summarizeScores } from '../dist/report/score-spread.js';
import { nacue } from './cli.js';
import {
  farBatches,
  fittedDetector,
  hostileName,
  idBatches,
  nearBatches,
  recordGolden,
  writeNpy,
} from './evaluation-records.js';
import { rejectsWith } from './failures.js';
import { fixture, randomNumbers } from './fixtures.js';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nacue report '));
after(() => fs.rmSync(folder, { recursive: true }));
const at = (name: string) => path.join(folder, name);

const close = (actual: number, expected: number, tolerance: number, what = '') =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what} ${actual} is not ${expected}`);

/** By the trapezoidal rule. */
function areaUnder(x: readonly number[], y: readonly number[]): number {
  return x.slice(1).reduce((sum, right, i) => {
    const width = right - (x[i] as number);
    return sum + (width * ((y[i + 1] as number) + (y[i] as number))) / 2;
  }, 0);
}

describe('recordEvaluation', () => {
  let record: EvaluationRecord;
  before(async () => {
    record = await recordGolden({ samples: 3, about: { model: 'small.pt' } });
  });

  it('holds what evaluate() returns', async () => {
    await using detector = await fittedDetector();
    const evaluation = await evaluate(detector, {
      id: idBatches(),
      near: { golden: nearBatches() },
      far: { [hostileName]: farBatches() },
    });
    assert.deepEqual(record.evaluation, JSON.parse(JSON.stringify(evaluation)));
  });

  it('is plain data that JSON keeps', () => {
    assert.deepEqual(JSON.parse(JSON.stringify(record)), record);
  });

  it('draws the threshold where 95 % of the ID samples pass, and at the calibrated one where there is one', async () => {
    assert.equal(record.threshold.from, 'id');
    assert.ok(record.scores[0] && record.scores[0].outliers <= 0.05);
    await using detector = await fittedDetector();
    const value = await detector.calibrate(idBatches(), { tpr: 0.5 });
    const calibrated = await recordEvaluation(detector, { id: idBatches(), far: { far: farBatches() } });
    assert.deepEqual(calibrated.threshold, { value, from: 'calibration' });
    for (const [i, batches] of [idBatches(), farBatches()].entries()) {
      const scores = (await Promise.all(batches.map((batch) => detector.predict(batch)))).flatMap((part) => [...part]);
      const above = scores.filter((score) => score > value).length;
      assert.ok(above > 0);
      assert.equal(calibrated.scores[i]?.outliers, above / scores.length);
    }
  });

  it('gives the parts of the layers, which add up to the distance of the mean scores', async () => {
    await using detector = await fittedDetector();
    const [id] = idBatches();
    const [far] = farBatches();
    const one = await recordEvaluation(detector, { id: [id as never], far: { far: [far as never] } });
    const idScore = await detector.score(id as never);
    const farScore = await detector.score(far as never);
    const mean = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const gap = one.layers.reduce((sum, { sets }) => sum + (sets[0]?.gap as number), 0);
    close(gap, mean(farScore.scores) - mean(idScore.scores), 1e-5);
    for (const [l, layer] of one.layers.entries()) {
      const alone = metrics.auroc(negated(idScore, [l]), negated(farScore, [l]));
      assert.equal(layer.sets[0]?.auroc, alone, layer.layer);
      const others = one.layers.map((_, i) => i).filter((i) => i !== l);
      close(
        layer.sets[0]?.aurocWithout as number,
        metrics.auroc(negated(idScore, others), negated(farScore, others)),
        1e-9,
      );
    }
  });

  function negated({ layerScores: { data, shape } }: Score, layers: readonly number[]): number[] {
    const samples = shape[1] as number;
    return Array.from({ length: samples }, (_, i) =>
      layers.reduce((sum, l) => sum - (data[l * samples + i] as number), 0),
    );
  }

  it('says of a single layer that nothing is left without it', async () => {
    const { NACUE } = await import('nacue');
    await using detector = await NACUE.create(fixture('small.pt'), { layers: ['fc'] });
    await detector.fit(idBatches());
    const { layers } = await recordEvaluation(detector, { id: idBatches(), far: { far: farBatches() } });
    assert.equal(layers[0]?.sets[0]?.aurocWithout, null);
  });

  it('maps the coverage of every layer as coverage() counts it', async () => {
    await using detector = await fittedDetector();
    const report = await detector.coverage();
    assert.deepEqual(
      record.coverage.map(({ layer }) => layer),
      report.layers.map(({ layer }) => layer),
    );
    for (const [i, { coverage }] of report.layers.entries()) {
      close(record.coverage[i]?.coverage as number, coverage, 1e-6);
    }
  });

  it('keeps the samples at both ends of each set', async () => {
    await using detector = await fittedDetector();
    const scores = (await Promise.all(idBatches().map((batch) => detector.predict(batch)))).flatMap((part) => [
      ...part,
    ]);
    const order = scores
      .map((score, index) => ({ score, index }))
      .sort((a, b) => a.score - b.score || a.index - b.index);
    const kept = (end: string) =>
      record.samples
        .filter((sample) => sample.set === 'id' && sample.end === end)
        .map(({ score, index }) => ({ score, index }));
    assert.deepEqual(kept('most-covered'), order.slice(0, 3));
    const reversed = scores
      .map((score, index) => ({ score, index }))
      .sort((a, b) => b.score - a.score || a.index - b.index);
    assert.deepEqual(kept('least-covered'), reversed.slice(0, 3));
  });

  it('takes the indices, names and labels of batches that have them', async () => {
    await using detector = await fittedDetector();
    const named = idBatches().map((batch, b) => {
      const rows = Array.from({ length: batch.shape[0] as number }, (_, i) => 100 * b + i);
      return {
        ...batch,
        indices: rows,
        names: rows.map((i) => `no such file ${i}.png`),
        labels: rows.map(() => 'cat'),
      };
    });
    const { samples } = await recordEvaluation(detector, { id: named, far: { far: farBatches() } });
    for (const { set, index, name, label, picture } of samples) {
      if (set !== 'id') assert.deepEqual([name, label], [undefined, undefined]);
      else assert.deepEqual([name, label], [`no such file ${index}.png`, 'cat']);
      assert.match(picture as string, /^data:image\/png;base64,/);
    }
  });

  it('makes pictures of what was scored, also when the memory of a batch is used again', async () => {
    await using detector = await fittedDetector();
    const reused = new Float32Array(16 * 64);
    async function* reusing() {
      for (const { data, shape } of idBatches()) {
        reused.set(data);
        yield { data: reused.subarray(0, data.length), shape };
        reused.fill(0);
      }
    }
    const { samples } = await recordEvaluation(detector, { id: reusing(), far: { far: farBatches() } }, { samples: 3 });
    assert.deepEqual(
      samples.filter(({ set }) => set === 'id'),
      record.samples.filter(({ set }) => set === 'id'),
    );
  });

  it('keeps no samples when none are wanted, and refuses impossible numbers', async () => {
    assert.deepEqual((await recordGolden({ samples: 0 })).samples, []);
    const outOfRange = { type: RangeError, code: 'ERR_NACUE_OUT_OF_RANGE', message: /samples/ } as const;
    await rejectsWith(recordGolden({ samples: -1 }), outOfRange);
    await rejectsWith(recordGolden({ samples: 101 }), outOfRange);
    await rejectsWith(recordGolden({ sample: 1 } as never), { ...outOfRange, message: /options/ });
  });

  it('hands progress, scores and aborts through', async () => {
    const seen: string[] = [];
    await recordGolden({ onScore: (set) => seen.push(set), onProgress: ({ set }) => seen.push(`${set} done`) });
    assert.deepEqual(seen.slice(0, 4), ['id', 'id done', 'id', 'id done']);
    await assert.rejects(recordGolden({ signal: AbortSignal.abort(new Error('enough')) }), /enough/);
  });
});

describe('the curves of a record', () => {
  const random = randomNumbers(5);
  const scores = (count: number, shift: number) => Array.from({ length: count }, () => random() + random() + shift);

  it('have the areas of the metrics', () => {
    const [id, ood] = [scores(90, 0), scores(70, 0.5)];
    const { roc, precisionRecall } = curvesOf(id, ood);
    close(areaUnder(roc.fpr, roc.tpr), metrics.auroc(id, ood), 1e-12);
    close(areaUnder(precisionRecall.recall, precisionRecall.precision), metrics.auprOut(id, ood), 1e-12);
  });

  it('keep their form with fewer points', () => {
    const [id, ood] = [scores(20_000, 0), scores(30_000, 0.4)];
    const { roc, precisionRecall } = curvesOf(id, ood);
    assert.ok(roc.fpr.length <= 200 && precisionRecall.recall.length <= 200);
    assert.deepEqual([roc.fpr[0], roc.tpr[0], roc.fpr.at(-1), roc.tpr.at(-1)], [0, 0, 1, 1]);
    close(areaUnder(roc.fpr, roc.tpr), metrics.auroc(id, ood), 1e-3);
    close(areaUnder(precisionRecall.recall, precisionRecall.precision), metrics.auprOut(id, ood), 2e-3);
  });

  it('have points at the first threshold that reaches a rate', () => {
    const [id, ood] = [scores(500, 0), scores(300, 0.3)];
    for (const { tpr, fpr, precision } of curvesOf(id, ood).points) {
      assert.equal(fpr, metrics.fprAtTpr(id, ood, tpr));
      const found = Math.ceil(tpr * 300 - 1e-9);
      close(precision, found / (found + fpr * 500), 0.01);
    }
  });
});

describe('the spread of scores', () => {
  it('has quantiles by nearest rank and the share above the threshold', () => {
    const scores = Array.from({ length: 100 }, (_, i) => i + 1);
    const { quantiles, outliers, samples } = summarizeScores('a', scores, 95);
    assert.deepEqual(quantiles, { min: 1, q05: 5, q25: 25, median: 50, q75: 75, q95: 95, max: 100 });
    assert.deepEqual([outliers, samples], [0.05, 100]);
  });

  it('counts every score once, those that are all the same too', () => {
    const { edges, counts } = histogramsOf([
      { set: 'a', scores: [0, 0.5, 1] },
      { set: 'b', scores: [2] },
    ]);
    assert.deepEqual([edges.length, edges[0], edges.at(-1)], [61, 0, 2]);
    assert.deepEqual(
      counts.map(({ counts }) => counts.reduce((sum, count) => sum + count)),
      [3, 1],
    );
    const same = histogramsOf([{ set: 'a', scores: [3, 3] }]);
    assert.equal(same.counts[0]?.counts[30], 2);
  });
});

describe('a coverage map', () => {
  it('shows few neurons one by one, by their mean bin', () => {
    const data = BigInt64Array.of(0n, 0n, 8n, 2n, 6n, 0n);
    const { rows, coverage } = mapCoverage('a', { data, shape: [2, 3] }, 4, 10);
    assert.deepEqual(rows, [
      [0.5, 1, 0],
      [0, 0, 1],
    ]);
    assert.equal(coverage, 2.5 / 6);
  });

  it('averages neighbours of many, and loses none', () => {
    const random = randomNumbers(9);
    const data = BigInt64Array.from({ length: 100 * 130 }, () => BigInt(Math.floor(random() * 10)));
    const { rows, coverage } = mapCoverage('a', { data, shape: [100, 130] }, 5, 20);
    assert.deepEqual([rows.length, rows[0]?.length], [20, 50]);
    const slow =
      Array.from(data, (count) => Math.min(Number(count) / 5, 1)).reduce((sum, phi) => sum + phi) / data.length;
    close(coverage, slow, 1e-9);
    close(rows.flat().reduce((sum, phi) => sum + phi) / 1000, slow, 0.01);
  });
});

describe('pictures', () => {
  /** Reads what encodePng writes, no more. */
  function decodePng(png: Buffer): { width: number; height: number; bytes: number[] } {
    assert.equal(png.toString('latin1', 1, 4), 'PNG');
    const chunks: Record<string, Buffer> = {};
    for (let offset = 8; offset < png.length; ) {
      const length = png.readUInt32BE(offset);
      const body = png.subarray(offset + 4, offset + 8 + length);
      assert.equal(png.readUInt32BE(offset + 8 + length), zlib.crc32(body));
      chunks[body.toString('latin1', 0, 4)] = body.subarray(4);
      offset += 12 + length;
    }
    const header = chunks.IHDR as Buffer;
    const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
    const stride = width * (header[9] === 2 ? 3 : 1);
    const lines = zlib.inflateSync(chunks.IDAT as Buffer);
    const rows = Array.from({ length: height }, (_, y) => [
      ...lines.subarray(y * (stride + 1) + 1, (y + 1) * (stride + 1)),
    ]);
    return { width, height, bytes: rows.flat() };
  }
  const ofArray = (values: number[], shape: number[]) =>
    decodePng(Buffer.from(pictureOfArray(Float32Array.from(values), shape).split(',')[1] as string, 'base64'));

  it('are PNG files', () => {
    const data = Uint8Array.of(1, 2, 3, 4, 5, 6);
    assert.deepEqual(decodePng(encodePng({ width: 3, height: 2, channels: 1, data })), {
      width: 3,
      height: 2,
      bytes: [...data],
    });
    assert.deepEqual(decodePng(encodePng({ width: 1, height: 2, channels: 3, data })), {
      width: 1,
      height: 2,
      bytes: [...data],
    });
  });

  it('take brightness as it is, and stretch what is normalised', () => {
    assert.deepEqual(ofArray([0, 0.2, 0.4, 1], [1, 2, 2]).bytes, [0, 51, 102, 255]);
    assert.deepEqual(ofArray([0, 2, 40, 255], [1, 2, 2]).bytes, [0, 2, 40, 255]);
    assert.deepEqual(ofArray([-1, 0, 0, 1], [1, 2, 2]).bytes, [0, 128, 128, 255]);
    assert.deepEqual(ofArray([-2, -2, -2, -2], [1, 2, 2]).bytes, [0, 0, 0, 0]);
  });

  it('have the colours of three channels, pixel by pixel', () => {
    const values = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]; // red, green, blue, black
    assert.deepEqual(ofArray(values, [3, 2, 2]).bytes, [255, 0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0]);
  });

  it('of large samples are small, their pixels means of blocks', () => {
    const { width, height, bytes } = ofArray(
      Array.from({ length: 192 * 400 }, (_, i) => (i % 400 < 200 ? 0 : 1)),
      [1, 192, 400],
    );
    assert.deepEqual([width, height], [96, 46]);
    assert.deepEqual([bytes[0], bytes[47], bytes[48], bytes[95]], [0, 0, 255, 255]);
  });

  it('are made of one or three channels only', () => {
    for (const shape of [
      [1, 2, 2],
      [3, 224, 224],
    ])
      assert.ok(isPicture(shape));
    for (const shape of [[4], [2, 2], [2, 8, 8], [3, 1, 9], [1, 9000, 9], [1, 3, 8, 8]]) assert.ok(!isPicture(shape));
  });
});

describe('HTML', () => {
  it('takes every value for text', () => {
    assert.equal(html`<a title="${`"'<>&`}">${hostileName}</a>`.text.includes('<img'), false);
    assert.equal(escapeHtml(`"'<>&`), '&quot;&#39;&lt;&gt;&amp;');
    assert.equal(html`<ul>${[html`<li>${'<'}</li>`, html`<li></li>`]}</ul>`.text, '<ul><li>&lt;</li>\n<li></li></ul>');
  });

  it('holds JSON that ends no script', () => {
    const { text } = scriptJson({ [hostileName]: '<!-- \u2028' });
    assert.doesNotMatch(text, /<|\u2028/);
    assert.deepEqual(JSON.parse(text), { [hostileName]: '<!-- \u2028' });
  });
});

describe('renderPlot', () => {
  let record: EvaluationRecord;
  before(async () => {
    record = await recordGolden();
  });

  for (const name of plotNames) {
    it(`draws ${name} as SVG`, async () => {
      const svg = await renderPlot(record, name);
      assert.match(svg.slice(0, 300), /^<svg role="img" aria-label="[A-Z][^"]+\." xmlns="http:/);
      assert.ok(svg.endsWith('</svg>'));
      assert.equal(/NaN|undefined|var\(--|<img/.exec(svg), null);
    });
  }

  it('draws as many marks as there are values', async () => {
    const marksOf = async (name: PlotName, group: string) => {
      const svg = await renderPlot(record, name);
      const groups = svg.split('<g class="mark-').filter((part) => part.startsWith(group));
      return groups.reduce((sum, part) => sum + (part.split('</g>')[0]?.match(/<path/g)?.length ?? 0), 0);
    };
    assert.equal(
      await marksOf('coverage', 'rect role-mark'),
      record.coverage.flatMap(({ rows }) => rows.flat()).length,
    );
    assert.equal(await marksOf('layers', 'symbol role-mark'), record.layers.length * 2 * 3);
    assert.equal(await marksOf('histogram', 'rect role-mark'), 60 * 4);
  });

  it('refuses other names, and what is no record', async () => {
    await rejectsWith(renderPlot(record, 'pie' as never), {
      type: RangeError,
      code: 'ERR_NACUE_OUT_OF_RANGE',
      message: /name must be/,
    });
    await rejectsWith(renderPlot(undefined as never, 'roc'), { code: 'ERR_NACUE_DATA', message: /no evaluation/ });
  });
});

describe('renderReport', () => {
  let record: EvaluationRecord;
  let page: string;
  before(async () => {
    record = await recordGolden({ about: { model: hostileName } });
    page = await renderReport(record);
  });

  it('loads nothing', () => {
    const outsideScripts = page.replace(/<script>[\s\S]*?<\/script>/g, '');
    assert.doesNotMatch(outsideScripts, /<link|<iframe|\bsrc="(?!data:)|url\(|@import/);
    assert.match(page, /Content-Security-Policy" content="default-src &#39;none&#39;/);
  });

  it('escapes what comes from outside', () => {
    assert.ok(!page.includes('<img src=x'));
    assert.ok(page.includes(escapeHtml(hostileName)));
    assert.equal(page.match(/<\/script>/g)?.length, 3);
  });

  it('has Vega with its licence', () => {
    assert.match(page, /<script>\/\*!\nCopyright \(c\) [\d-]+, University of Washington/);
  });

  it('is the same for the same record', async () => {
    assert.equal(await renderReport(JSON.parse(JSON.stringify(record))), page);
  });

  const damages: [string, (record: EvaluationRecord) => void, RegExp][] = [
    ['another format', (r) => Object.assign(r, { format: 'x' }), /its format is not 'nacue-evaluation'/],
    ['a later version', (r) => Object.assign(r, { version: 2 }), /reads version 1, not 2/],
    ['no threshold', (r) => Object.assign(r, { threshold: null }), /threshold is not an object/],
    [
      'a score that is text',
      (r) => Object.assign(r.scores[0] as object, { samples: '1' }),
      /scores\[0\]\.samples is not a number/,
    ],
    ['no curves', (r) => Object.assign(r, { curves: {} }), /curves is not a list/],
    [
      'an unknown score',
      (r) => Object.assign(r.curves[0] as object, { score: 'toString' }),
      /curves\[0\]\.score is not the name/,
    ],
    [
      'a picture from elsewhere',
      (r) => Object.assign(r.samples[0] as object, { picture: 'http://a/b.png' }),
      /picture is not a PNG/,
    ],
    [
      'a missing metric',
      (r) => Object.assign(r.evaluation.sets.golden?.nacue as object, { auroc: null }),
      /evaluation\.sets\.golden\.nacue\.auroc/,
    ],
  ];
  for (const [name, damage, message] of damages) {
    it(`refuses a record with ${name}`, async () => {
      const damaged = structuredClone(record);
      damage(damaged);
      await rejectsWith(renderReport(damaged), { code: 'ERR_NACUE_DATA', message });
    });
  }

  it('says what to install where Vega is missing', () => {
    const alone = at('without packages');
    fs.cpSync(path.join(__dirname, '..', 'dist', 'report'), path.join(alone, 'report'), { recursive: true });
    fs.copyFileSync(path.join(__dirname, '..', 'dist', 'errors.js'), path.join(alone, 'errors.js'));
    const missing = (call: string) => {
      const script = `try { require('./report/vega.js').${call}(); } catch (e) { console.log(e.code, e.message) }`;
      const options = { cwd: alone, encoding: 'utf8', env: { PATH: process.env.PATH } } as const;
      return execFileSync(process.execPath, ['-e', script], options);
    };
    const says = (name: string) =>
      `ERR_NACUE_OPTIONAL_DEPENDENCY reports and plots need the package ${name}: run \`npm install vega vega-lite\`\n`;
    assert.equal(missing('vegaScript'), says('vega'));
    assert.equal(missing('checkVega'), says('vega'));
    fs.mkdirSync(path.join(alone, 'node_modules', 'vega'), { recursive: true });
    fs.writeFileSync(path.join(alone, 'node_modules', 'vega', 'index.js'), '');
    assert.equal(missing('checkVega'), says('vega-lite'));
  });
});

describe('nacue eval and nacue report', () => {
  const model = fixture('small.pt');
  const state = at('state.nacue');
  const files = { id: at('id.npy'), near: at('near.npy'), far: at('far.npy') };
  const sets = ['--id', files.id, '--near', `golden=${files.near}`, '--far', `far=${files.far}`];
  const run = (...args: string[]) => nacue(['eval', model, '--state', state, ...sets, '--quiet', ...args]);
  const json = at('eval.json');
  let record: EvaluationRecord;

  before(async () => {
    await using detector = await fittedDetector();
    await detector.save(state);
    writeNpy(files.id, idBatches());
    writeNpy(files.near, nearBatches());
    writeNpy(files.far, farBatches());
    const { code, stderr } = await run('-o', json, '--report', at('report.html'));
    assert.deepEqual([code, stderr], [0, '']);
    record = JSON.parse(fs.readFileSync(json, 'utf8')) as EvaluationRecord;
  });

  it('gives the figures of the library', async () => {
    await using detector = await fittedDetector();
    const sets = { id: idBatches(), near: { golden: nearBatches() }, far: { far: farBatches() } };
    const evaluation = await evaluate(detector, sets);
    assert.deepEqual(record.evaluation, JSON.parse(JSON.stringify(evaluation)));
    const table = await run();
    assert.deepEqual([table.code, table.stdout], [0, `${evaluation}\n`]);
    const asJson = JSON.parse((await run('--json')).stdout);
    assert.deepEqual(asJson, { ...record.evaluation, threshold: record.threshold });
  });

  it('adds a rate, and takes limits for each set', async () => {
    const { tpr, id, sets } = JSON.parse((await run('--json', '--tpr', '0.8', '--limit', '4')).stdout);
    assert.deepEqual([tpr, id.samples, sets.golden.samples, sets.far.samples], [0.8, 4, 4, 4]);
    assert.equal(typeof sets.far.nacue.fprAtTpr, 'number');
  });

  it('writes the page that nacue report makes of the file', async () => {
    const page = fs.readFileSync(at('report.html'), 'utf8');
    assert.equal((await nacue(['report', json])).stdout, page);
    const { code, stderr } = await nacue(['report', json, '-o', at('again.html')]);
    assert.deepEqual([code, stderr], [0, `wrote ${at('again.html')}\n`]);
    assert.equal(fs.readFileSync(at('again.html'), 'utf8'), page);
    assert.ok(page.includes(escapeHtml(files.far)));
  });

  it('draws one plot', async () => {
    const { code, stdout } = await nacue(['report', json, '--format', 'svg', '--plot', 'roc']);
    assert.deepEqual([code, stdout], [0, `${await renderPlot(record, 'roc')}\n`]);
  });

  it('names each set below --min-auroc and ends with 6, the results written all the same', async () => {
    const aurocs = ['golden', 'far'].map((set) => record.evaluation.sets[set]?.nacue.auroc as number);
    const [low, high] = [Math.min(...aurocs), Math.max(...aurocs)];
    assert.equal(low, aurocs[0]);
    const out = at('gate.json');
    const failed = await run('--min-auroc', String((low + high) / 2), '-o', out);
    assert.deepEqual(
      [failed.code, failed.stderr],
      [6, `nacue: the AUROC of golden is ${low}, below ${(low + high) / 2}\n`],
    );
    assert.match(failed.stdout, /^OOD detection/);
    assert.ok(fs.existsSync(out));
    assert.equal((await run('--min-auroc', String(low))).code, 0);
  });

  const refused: [string, string[], number, RegExp][] = [
    [
      'no OOD set',
      ['eval', model, '--state', state, '--id', files.id],
      2,
      /give at least one set with --near or --far/,
    ],
    [
      'a set without a name',
      ['eval', model, '--state', state, '--id', files.id, '--far', files.far],
      2,
      /--far must be NAME=DATA/,
    ],
    [
      'a name used twice',
      ['eval', model, '--state', state, ...sets, '--near', `far=${files.far}`],
      2,
      /must differ.*"far"/,
    ],
    [
      'a set called id',
      ['eval', model, '--state', state, ...sets, '--near', `id=${files.far}`],
      2,
      /must differ.*"id"/,
    ],
    ['a limit above 1', ['eval', model, '--state', state, ...sets, '--min-auroc', '95'], 2, /--min-auroc/],
    [
      'a data file that is missing',
      ['eval', model, '--state', state, ...sets, '--far', `b=${at('none.npy')}`],
      5,
      /none\.npy/,
    ],
    ['a state that is missing', ['eval', model, '--state', at('none'), ...sets], 4, /cannot read the state/],
    [
      'a page that cannot be written',
      ['eval', model, '--state', state, ...sets, '--report', at('no/r.html')],
      1,
      /cannot write .*ENOENT/,
    ],
    ['svg without a plot', ['report', json, '--format', 'svg'], 2, /needs --plot: histogram, roc/],
    ['a plot without svg', ['report', json, '--plot', 'roc'], 2, /--plot is for --format svg/],
    ['an evaluation that is missing', ['report', at('none.json')], 5, /cannot read the evaluation .*ENOENT/],
    ['an evaluation that is no JSON', ['report', files.id], 5, /cannot read the evaluation .*JSON/],
    ['an output that cannot be written', ['report', json, '-o', folder], 1, /cannot write .*EISDIR/],
  ];
  for (const [name, args, expected, message] of refused) {
    it(`refuses ${name} in one line`, async () => {
      const { code, stdout, stderr } = await nacue(args);
      assert.deepEqual([code, stdout], [expected, ''], stderr);
      assert.match(stderr, /^nacue: [^\n]*\n$/);
      assert.match(stderr, message);
    });
  }
});
