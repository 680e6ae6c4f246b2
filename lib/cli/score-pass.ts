/**
 * The pass of `nacue score`: read, score, format, write.
 *
 * Two rounds of batches are with the detector: while it works on one, the other one waits in its queue, and here the round before is
 * written and the next one is read. What is scored is written at once where the samples make it wait.
 */
import { anySignal } from '../abort.js';
import type { SampleBatch, Samples } from '../data/samples.js';
import { messageOf, NacueError, type NacueErrorCode } from '../errors.js';
import type { NACUE } from '../nacue.js';
import { type ScoredBatch, scoreFormat } from '../outputs/score-format.js';
import type { ScoreSink } from '../outputs/score-sink.js';
import { ScoreWriter } from '../outputs/score-writer.js';
import { outliers } from '../threshold.js';
import type { SampleProgress } from './sample-progress.js';
import type { ScoreValues } from './score.js';
import { ScoreRound } from './score-round.js';

interface Pass {
  detector: NACUE;
  samples: Samples;
  sink: ScoreSink;
  from: number;
  progress: SampleProgress;
  options: ScoreValues;
  signal: AbortSignal;
}

/** @returns whether all samples are scored: an abort ends it after the batches that are with the detector */
export async function passScores(pass: Pass): Promise<boolean> {
  const { detector, samples, sink, from, progress, options, signal } = pass;
  const layers = detector.layers.map(({ name }) => name);
  const writer = new ScoreWriter(scoreFormat(options.format, layers), sink);
  const round = new ScoreRound(samples.sampleShape, options.batchSize);
  const underWay: Promise<ScoredBatch>[] = [];
  const writeOldest = async (count: number) => {
    const scored: ScoredBatch[] = [];
    try {
      while (scored.length < count) {
        scored.push(await (underWay[0] as Promise<ScoredBatch>));
        underWay.shift();
      }
    } finally {
      await writer.write(scored);
      progress.update(writer.records);
    }
  };
  const stopReading = new AbortController();
  const batches = samples.batches({
    batchSize: options.batchSize,
    from,
    signal: anySignal(signal, stopReading.signal),
    onSkip: progress.skipped,
  });
  try {
    for (;;) {
      const reading = nextBatch(batches, signal);
      const newest = underWay.at(-1);
      if (newest && (await isFirst(newest, reading))) await writeOldest(underWay.length);
      const batch = await reading.catch(async (error: unknown) => {
        await writeOldest(underWay.length);
        throw error;
      });
      if (!batch) break;
      const scored = scoreBatch(pass, batch);
      scored.catch(() => {}); // awaited in its turn; until then it must not count as unhandled
      underWay.push(scored);
      if (underWay.length < 2 * round.batches) continue;
      await writeOldest(round.batches);
      round.next();
    }
    await writeOldest(underWay.length);
  } finally {
    stopReading.abort();
    await Promise.allSettled(underWay);
    await batches.return(undefined);
  }
  if (!signal.aborted) await writer.finish();
  return !signal.aborted;
}

/** Undefined at the end, and after an abort. */
async function nextBatch(
  batches: AsyncGenerator<SampleBatch, undefined>,
  signal: AbortSignal,
): Promise<SampleBatch | undefined> {
  try {
    const { value } = await batches.next();
    return signal.aborted ? undefined : value;
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

const yes = () => true;
const no = () => false;

/** Whether one comes to its end before the other. */
function isFirst(one: Promise<unknown>, other: Promise<unknown>): Promise<boolean> {
  return Promise.race([one.then(yes, yes), other.then(no, no)]);
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
