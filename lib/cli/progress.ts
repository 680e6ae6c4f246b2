/** Progress on stderr: one line that is written over on a terminal, now and then a line elsewhere. */

const terminalIntervalMs = 100;
const plainIntervalMs = 5000;
const clearLine = '\r\x1b[K';

export class Progress {
  readonly #stream: NodeJS.WriteStream;
  readonly #quiet: boolean;
  #phase = '';
  #shownAt = Number.NEGATIVE_INFINITY;

  constructor(options: { quiet: boolean; stream?: NodeJS.WriteStream }) {
    this.#stream = options.stream ?? process.stderr;
    this.#quiet = options.quiet;
  }

  /** Shows what `text` gives, at once when the phase is a new one, else no more often than is readable. */
  update(phase: string, text: () => string): void {
    if (this.#quiet) return;
    const now = performance.now();
    const interval = this.#stream.isTTY ? terminalIntervalMs : plainIntervalMs;
    if (phase === this.#phase && now - this.#shownAt < interval) return;
    this.#phase = phase;
    this.#shownAt = now;
    this.#stream.write(this.#stream.isTTY ? clearLine + text() : `${text()}\n`);
  }

  /** Leaves the terminal as if there had been no progress. */
  end(): void {
    if (!this.#quiet && this.#stream.isTTY && this.#phase !== '') this.#stream.write(clearLine);
  }
}
