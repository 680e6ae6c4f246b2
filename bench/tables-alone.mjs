/** What needs no comparison, as Markdown. */
import { askedCell, megabytes, table } from './cells.mjs';

/** The event loop beside long calls. */
export function aloneTable({ idle, predicting }) {
  const ms = (value) => `${value.toFixed(1)} ms`;
  const mostP99Ms = 20;
  return table(
    ['what', 'measured', 'asked for'],
    [
      [
        'event loop delay while four batches of 16 are scored on ResNet-50: p99 / largest',
        `${ms(predicting.delayP99Ms)} / ${ms(predicting.delayMaxMs)}`,
        askedCell(`p99 under ${mostP99Ms} ms`, predicting.delayP99Ms < mostP99Ms),
      ],
      ['the same with nothing running', `${ms(idle.delayP99Ms)} / ${ms(idle.delayMaxMs)}`, ''],
      [
        'slowest `fs.readFile` of a small file meanwhile',
        ms(predicting.readFileMaxMs),
        `${ms(idle.readFileMaxMs)} when idle`,
      ],
    ],
  );
}

/** Processor time; see `tune` in measurements.mjs. */
export function tuneTable(runs) {
  const seconds = (value) => `${value.toPrecision(3)} s`;
  return table(
    ['input of `tune()`', 'pass of the model', 'combinations', 'search', 'ratio'],
    runs.map(({ side, scaledFrom, passCpu, scored, searchCpu, ratio }) => [
      scaledFrom ? `${side}x${side} (pass scaled from ${scaledFrom} images)` : `${side}x${side}`,
      seconds(passCpu),
      scored ?? 'those of the first row',
      seconds(searchCpu),
      ratio.toPrecision(2),
    ]),
  );
}

/** Memory and throughput at a few moments of a long run, by mode. */
export function soakTable(modes) {
  const moments = [0.1, 0.4, 0.7, 1];
  return table(
    ['mode', 'minutes', 'rounds', 'resident memory over time', 'samples per second over time', 'drift'],
    Object.entries(modes).map(([mode, { minutes, rounds, drift }]) => {
      const at = moments.map((moment) => rounds[Math.ceil(moment * rounds.length) - 1]);
      return [
        mode,
        minutes,
        rounds.length,
        at.map(({ resident }) => megabytes(resident)).join(', '),
        at.map(({ samplesPerSecond }) => samplesPerSecond.toPrecision(3)).join(', '),
        drift.length > 0 ? `**${drift.join('; ')}**` : 'none',
      ];
    }),
  );
}
