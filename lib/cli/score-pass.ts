/**
 * The pass of `nacue score`: read, score, format, write.
 *
 * Two batches are with the detector: while it works on one, the other one waits in its queue, and here the batch before is
 * written and the next one is read.
 */
import type { SampleBatch, Samples } from '../data/samples.js';
import { messageOf, NacueError, type NacueErrorCode } from '../errors.js';
import type { NACUE } from '../nacue.js';
import { type ScoredBatch, scoreFormat } from '../outputs/score-format.js';
import type { ScoreSink } from '../outputs/score-sink.js';
import { ScoreWriter } from '../outputs/score-writer.js';
import { outliers } from '../threshold.js';
import type { SampleProgress } from './sample-progress.js';
import type { ScoreValues } from './score.js';

interface Pass {
  detector: NACUE;
  samples: Samples;
  sink: ScoreSink;
  from: number;
  progress: SampleProgress;
  options: ScoreValues;
  signal: AbortSignal;
}

const batchesAhead = 2;

/** @returns whether all samples are scored: an abort ends it after the batches that are with the detector */
export async function passScores(pass: Pass): Promise<boolean> {
  const { detector, samples, sink, from, progress, options, signal } = pass;
  const layers = detector.layers.map(({ name }) => name);
  const writer = new ScoreWriter(scoreFormat(options.format, layers), sink);
  const underWay: Promise<ScoredBatch>[] = [];
  const writeOldest = async () => {
    await writer.write(await (underWay.shift() as Promise<ScoredBatch>));
    progress.update(writer.records);
  };
  try {
    const batches = samples.batches({ batchSize: options.batchSize, from, signal, onSkip: progress.skipped });
    for await (const batch of untilAborted(batches, signal)) {
      const scored = scoreBatch(pass, batch);
      scored.catch(() => {}); // awaited in its turn; until then it must not count as unhandled
      underWay.push(scored);
      if (underWay.length >= batchesAhead) await writeOldest();
    }
    while (underWay.length > 0) await writeOldest();
  } finally {
    await Promise.allSettled(underWay);
  }
  if (!signal.aborted) await writer.finish();
  return !signal.aborted;
}

async function* untilAborted(batches: AsyncIterable<SampleBatch>, signal: AbortSignal): AsyncGenerator<SampleBatch> {
  try {
    for await (const batch of batches) {
      if (signal.aborted) return;
      yield batch;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

async function scoreBatch({ detector, options }: Pass, batch: SampleBatch): Promise<ScoredBatch> {
  const { data, shape, indices, names, labels, next } = batch;
  const { layerScores: wantsLayers, logits: wantsLogits, explain } = options;
  const known = { indices, next, ...(names && { names }), ...(labels && { labels }) };
  const { threshold } = detector;
  const decided = (scores: Float32Array) => ({
    scores,
    ...(threshold !== undefined && { isOutlier: outliers(scores, threshold) }),
  });
  try {
    if (!wantsLayers && !wantsLogits && explain === undefined) {
      return { ...known, ...decided(await detector.predict({ data, shape })) };
    }
    const { scores, layerScores, logits, explanation } = await detector.score(
      { data, shape },
      explain === undefined ? {} : { explain },
    );
    return {
      ...known,
      ...decided(scores),
      ...(wantsLayers && { layerScores }),
      ...(wantsLogits && { logits }),
      ...(explanation && { explanation }),
    };
  } catch (error) {
    throw inBatch(error, batch);
  }
}

/** The detector counts the rows of its batch; here a sample has an index and often a name. */
function inBatch(error: unknown, { indices, names }: SampleBatch): unknown {
  const code = (error as { code?: NacueErrorCode }).code;
  if (!(error instanceof Error) || code === undefined) return error;
  const first = `${indices[0]}${names ? ` (${names[0]})` : ''}`;
  const detail = error instanceof NacueError ? error.detail : undefined;
  return new NacueError(code, `${messageOf(error)} (the batch begins with sample ${first})`, { detail, cause: error });
}
