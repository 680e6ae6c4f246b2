/** Progress of a pass over samples: a bar, the rate and the time that is left; and what was left out. */
import type { SkippedSample } from '../data/samples.js';
import { Progress } from './progress.js';
import { tell } from './terminal.js';

const barWidth = 20;

export class SampleProgress {
  readonly #phase: string;
  readonly #total: number | undefined;
  readonly #progress: Progress;
  readonly #before: number;
  #began = performance.now();
  #samples: number;
  #skipped = 0;

  /** @param before how many were done in a former run */
  constructor(phase: string, total: number | undefined, options: { quiet: boolean }, before = 0) {
    this.#phase = phase;
    this.#total = total;
    this.#progress = new Progress(options);
    this.#before = before;
    this.#samples = before;
  }

  /** The model is loaded, the clock starts. */
  begin(): void {
    this.#began = performance.now();
  }

  update(samples: number): void {
    this.#samples = samples;
    this.#progress.update(this.#phase, () => this.#text());
  }

  /** Says that a sample is left out, also with --quiet: the result lacks it. */
  readonly skipped = (skipped: SkippedSample): void => {
    this.#skipped += 1;
    this.#progress.end();
    tellSkipped(skipped);
  };

  get skippedCount(): number {
    return this.#skipped;
  }

  /** For example `1,000 samples in 2.1 s (476/s)`. */
  get summary(): string {
    const seconds = this.#seconds();
    const skipped = this.#skipped === 0 ? '' : `, ${count(this.#skipped)} skipped`;
    return `${count(this.#samples)} ${this.#samples === 1 ? 'sample' : 'samples'} in ${seconds.toFixed(1)} s (${this.#rateText()})${skipped}`;
  }

  end(): void {
    this.#progress.end();
  }

  #text(): string {
    const done = this.#samples;
    if (this.#total === undefined) return `${this.#phase}: ${count(done)} samples, ${this.#rateText()}`;
    const share = Math.min(1, done / Math.max(this.#total, 1));
    const filled = Math.round(share * barWidth);
    const bar = `${'#'.repeat(filled)}${'.'.repeat(barWidth - filled)}`;
    const left = (this.#total - done) / this.#rate();
    const of = `${count(done)} of ${count(this.#total)}`;
    return `${this.#phase} [${bar}] ${Math.floor(100 * share)} % ${of}, ${this.#rateText()}, ${durationText(left)} left`;
  }

  #seconds(): number {
    return Math.max(performance.now() - this.#began, 1) / 1000;
  }

  #rate(): number {
    return (this.#samples - this.#before) / this.#seconds();
  }

  #rateText(): string {
    const rate = this.#rate();
    return `${rate < 10 ? rate.toFixed(1) : count(Math.round(rate))}/s`;
  }
}

/** Said also with --quiet: the result lacks the sample. */
export function tellSkipped({ error }: SkippedSample): void {
  tell(`nacue: skipped: ${error.message}`);
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

function durationText(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes} min ${whole % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
