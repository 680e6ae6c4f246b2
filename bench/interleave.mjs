/** Times contestants in turns, a b c a b c ..., so that whatever else the machine does falls on all of them alike. */
import { setTimeout as sleep } from 'node:timers/promises';

/** LibTorch's threads spin for a while after a call; the next contestant begins when they sleep. */
const pauseMs = 20;

/**
 * @param {{ name: string, run: () => Promise<number> }[]} contestants `run` returns its time in seconds
 * @param {{ seconds: number, warmUp: number, fewest: number, most: number }} effort about how long to time, and bounds of the rounds
 * @returns {Promise<Record<string, number[]>>} the times of each, in the order in which they were taken
 */
export async function interleave(contestants, { seconds, warmUp, fewest, most }) {
  for (let round = 0; round < warmUp; ++round) await runRound(contestants);
  const times = Object.fromEntries(contestants.map(({ name }) => [name, []]));
  const end = performance.now() + 1e3 * seconds;
  for (let round = 0; round < most && (round < fewest || performance.now() < end); ++round) {
    for (const [name, time] of await runRound(contestants)) times[name].push(time);
  }
  return times;
}

async function runRound(contestants) {
  const times = [];
  for (const { name, run } of contestants) {
    times.push([name, await run()]);
    await sleep(pauseMs);
  }
  return times;
}
