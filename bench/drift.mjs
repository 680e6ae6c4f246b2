/** Whether memory grew or work slowed down over a long run. */
import { median } from './statistics.mjs';

/** What a run may lose of its throughput, and gain in memory; below `noise` bytes growth is that of an allocator that settles. */
const bounds = { slowdown: 0.1, growth: 0.05, noise: 32e6 };
const fewest = 8;

/**
 * Compares the medians of the second and of the last quarter of a run; in the first it warms up.
 *
 * @param {{ resident: number, samplesPerSecond: number }[]} rounds in bytes; in order
 * @returns {string[]} what has drifted; empty when nothing has
 */
export function driftOf(rounds) {
  if (rounds.length < fewest) return [`only ${rounds.length} rounds: too few to tell; run for longer`];
  const quarter = Math.floor(rounds.length / 4);
  const before = mediansOf(rounds.slice(quarter, 2 * quarter));
  const after = mediansOf(rounds.slice(-quarter));
  const found = [];
  const growth = after.resident - before.resident;
  if (growth > Math.max(bounds.noise, bounds.growth * before.resident))
    found.push(`resident memory grew from ${megabytes(before.resident)} to ${megabytes(after.resident)}`);
  if (after.samplesPerSecond < (1 - bounds.slowdown) * before.samplesPerSecond)
    found.push(`throughput fell from ${rate(before.samplesPerSecond)} to ${rate(after.samplesPerSecond)}`);
  return found;
}

function mediansOf(rounds) {
  return {
    resident: median(rounds.map(({ resident }) => resident)),
    samplesPerSecond: median(rounds.map(({ samplesPerSecond }) => samplesPerSecond)),
  };
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function rate(value) {
  return `${value.toPrecision(3)} samples/s`;
}
