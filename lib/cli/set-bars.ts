/** Progress of a pass over several sets of samples. */
import type { Samples, SkippedSample } from '../data/samples.js';
import type { EvaluationProgress } from '../evaluate.js';
import { SampleProgress, tellSkipped } from './sample-progress.js';

interface NamedCount {
  name: string;
  samples: Pick<Samples, 'count'>;
}

/** A bar per set, one after the other. */
export class SetBars {
  readonly #bars: Map<string, SampleProgress>;

  constructor(sets: readonly NamedCount[], options: { quiet: boolean }) {
    const barOf = ({ name, samples }: NamedCount) => new SampleProgress(`score ${name}`, samples.count, options);
    this.#bars = new Map(sets.map((set) => [set.name, barOf(set)]));
    for (const bar of this.#bars.values()) bar.begin();
  }

  update({ set, samples }: EvaluationProgress): void {
    this.#bars.get(set)?.update(samples);
    const names = [...this.#bars.keys()];
    const next = names[names.indexOf(set) + 1];
    if (next !== undefined) this.#bars.get(next)?.begin(); // so that its clock starts with the last sample before it
  }

  /** Says that a sample is left out, also with --quiet. The reader is ahead of the bars, perhaps in the next set. */
  readonly skipped = (skipped: SkippedSample): void => {
    this.end();
    tellSkipped(skipped);
  };

  end(): void {
    for (const bar of this.#bars.values()) bar.end();
  }
}
