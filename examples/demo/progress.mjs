/** Shows how far a step is: a bar on a terminal, one line per finished step elsewhere. */

const barWidth = 30;

export class Progress {
  #stream;
  #title = '';
  #total = 0;
  #startedAt = 0;

  /** @param {import('node:tty').WriteStream} stream */
  constructor(stream) {
    this.#stream = stream;
  }

  /**
   * @param {string} title
   * @param {number} total
   */
  start(title, total) {
    this.#title = title.padEnd(24);
    this.#total = total;
    this.#startedAt = performance.now();
    this.update(0);
  }

  /** @param {number} done */
  update(done) {
    if (!this.#stream.isTTY) return;
    const filled = Math.round((barWidth * done) / this.#total);
    const bar = '='.repeat(filled).padEnd(barWidth, '.');
    this.#stream.write(`\r${this.#title}[${bar}] ${done}/${this.#total}`);
  }

  end() {
    const seconds = ((performance.now() - this.#startedAt) / 1000).toFixed(1);
    const clear = this.#stream.isTTY ? '\r\x1b[K' : '';
    this.#stream.write(`${clear}${this.#title}${this.#total} images in ${seconds} s\n`);
  }
}
