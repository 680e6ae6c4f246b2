/** Records of scores as text, against the same records put together by JavaScript. */
import assert from 'node:assert/strict';
import type { FormatName } from '../dist/outputs/format-names.js';
import { type ScoredBatch, scoreFormat } from '../dist/outputs/score-format.js';
import type { ScoreSink } from '../dist/outputs/score-sink.js';
import { ScoreWriter } from '../dist/outputs/score-writer.js';
import { randomNumbers } from './fixtures.js';

const layers = ['layer1', 'a "quoted", layer'];
const names = ['plain.png', 'a, "b"\r\n.png', 'ünï😀\u0000.png', '\ud800.png', ''];
const odd = [
  0,
  -0,
  1,
  -17,
  1e-6,
  9.9e-7,
  1e-7,
  2 ** 53,
  1e16,
  1e20,
  1e21,
  3.4e38,
  1.5e-45,
  Number.NaN,
  Infinity,
  -Infinity,
];

/** Any float32, whatever its bits. */
function anyNumbers(count: number, seed: number): Float32Array {
  const random = randomNumbers(seed);
  const values = new Float32Array(Uint32Array.from({ length: count }, () => random() * 2 ** 32).buffer);
  values.set(odd.slice(0, count));
  return values;
}

/** What a batch may hold beside indices and scores. */
const parts: Record<string, Partial<ScoredBatch>> = {
  'scores alone': {},
  decisions: { isOutlier: Uint8Array.from({ length: 5 }, (_, i) => i % 2) },
  'names and labels': { names, labels: [...names].reverse() },
  'scores of layers': { layerScores: { data: anyNumbers(10, 1), shape: [2, 5] } },
  logits: { logits: { data: anyNumbers(15, 2), shape: [5, 3] } },
  'the logits of one class': { logits: { data: anyNumbers(5, 3), shape: [5, 1] } },
};

const everything = Object.assign({}, ...Object.values(parts)) as Partial<ScoredBatch>;

function batchOf(scores: Float32Array, others: Partial<ScoredBatch> = {}): ScoredBatch {
  const indices = Array.from(scores, (_, i) => i * 10 ** 9);
  return { indices, scores, next: scores.length, ...others };
}

/** What a run writes into a stream. */
async function written(format: FormatName, batches: readonly ScoredBatch[]): Promise<string> {
  const pieces: Uint8Array[] = [];
  const reached = { bytes: 0, records: 0, next: 0 };
  const sink: ScoreSink = {
    canRewrite: false,
    reached,
    write: async (bytes, records) => {
      pieces.push(Buffer.from(bytes));
      reached.records += records;
    },
    finish: async (end) => void pieces.push(end),
    leave: async () => false,
  };
  const writer = new ScoreWriter(scoreFormat(format, layers), sink);
  for (const batch of batches) await writer.write([batch]);
  await writer.finish();
  return Buffer.concat(pieces).toString();
}

function recordsOf({ indices, scores, names, labels, isOutlier, layerScores, logits, explanation }: ScoredBatch) {
  const part = (data: Float32Array | Int32Array, i: number, width: number) =>
    [...data].slice(i * width, (i + 1) * width);
  return indices.map((index, i) => ({
    index,
    score: scores[i],
    ...(names && { name: names[i] }),
    ...(labels && { label: labels[i] }),
    ...(isOutlier && { isOutlier: isOutlier[i] === 1 }),
    ...(layerScores && {
      layers: Object.fromEntries(layers.map((name, l) => [name, layerScores.data[l * indices.length + i]])),
    }),
    ...(logits && { logits: part(logits.data, i, logits.shape[1] as number) }),
    ...(explanation && {
      explanation: explanation.map(({ layer, neurons, bins, coverage, cost, shape }) => {
        const of = (data: Float32Array | Int32Array) => part(data, i, shape[1] as number);
        return { layer, neurons: of(neurons), bins: of(bins), coverage: of(coverage), cost: of(cost) };
      }),
    }),
  }));
}

function csvLinesOf(batch: ScoredBatch): string[] {
  const quoted = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return recordsOf(batch).map(({ layers, logits, ...rest }) =>
    [...Object.values(rest), ...Object.values(layers ?? {}), ...(logits ?? [])]
      .map((value) => quoted(Buffer.from(String(value)).toString()))
      .join(','),
  );
}

describe('records of scores', () => {
  for (const [name, others] of Object.entries({ ...parts, everything })) {
    it(`have the text that JavaScript gives them, with ${name}`, async () => {
      const batch = batchOf(anyNumbers(5, 4), others);
      const texts = recordsOf(batch).map((record) => JSON.stringify(record));
      assert.equal(await written('ndjson', [batch]), texts.map((text) => `${text}\n`).join(''));
      assert.equal(await written('json', [batch, batch]), `[\n${[...texts, ...texts].join(',\n')}\n]\n`);
      const [head, ...lines] = (await written('csv', [batch, batch])).split(/\r\n(?=\d|index|$)/);
      assert.ok(head?.startsWith('index,score'));
      assert.deepEqual(lines, [...csvLinesOf(batch), ...csvLinesOf(batch), '']);
    });
  }

  it('have an explanation in JSON', async () => {
    const explanation = layers.map((layer, l) => ({
      layer,
      neurons: Int32Array.from({ length: 10 }, (_, i) => i + l),
      bins: Int32Array.from({ length: 10 }, (_, i) => 2 * i),
      coverage: anyNumbers(10, 5),
      cost: anyNumbers(10, 6),
      shape: [5, 2],
    }));
    const batch = batchOf(anyNumbers(5, 7), { explanation });
    const texts = recordsOf(batch).map((record) => JSON.stringify(record));
    assert.equal(await written('ndjson', [batch]), texts.map((text) => `${text}\n`).join(''));
  });

  it('write 200,000 numbers of any bits as JavaScript does', async () => {
    const scores = anyNumbers(200_000, 8);
    const texts = recordsOf(batchOf(scores)).map((record) => `${JSON.stringify(record)}\n`);
    assert.equal(await written('ndjson', [batchOf(scores)]), texts.join(''));
  });

  it('are none of batches without samples', async () => {
    const none = batchOf(new Float32Array());
    const one = batchOf(Float32Array.of(-0.5));
    assert.equal(await written('ndjson', [none]), '');
    assert.equal(await written('ndjson', [none, one, none]), '{"index":0,"score":-0.5}\n');
    assert.equal(await written('json', [none]), '[]\n');
    assert.equal(await written('json', [none, one, none]), '[\n{"index":0,"score":-0.5}\n]\n');
    assert.equal(await written('csv', [none]), 'index,score\r\n');
    assert.equal(await written('csv', [none, one, none]), 'index,score\r\n0,-0.5\r\n');
  });
});
