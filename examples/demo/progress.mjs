/** Shows how far a step is: a bar on a terminal, one line per finished step elsewhere. */

const barWidth = 30;

export class Progress {
  #stream;
  #title = '';
  #total = 0;
  #unit = '';
  #startedAt = 0;

  /** @param {import('node:tty').WriteStream} stream */
  constructor(stream) {
    this.#stream = stream;
  }

  /**
   * @param {string} title
   * @param {number} total
   * @param {string} [unit] of what there are `total`
   */
  start(title, total, unit = 'images') {
    this.#title = title.padEnd(24);
    this.#total = total;
    this.#unit = unit;
    this.#startedAt = performance.now();
    this.update(0);
  }

  /**
   * @param {number} done
   * @param {number} [total] where it has changed since the start
   */
  update(done, total = this.#total) {
    this.#total = total;
    if (!this.#stream.isTTY) return;
    const filled = Math.round((barWidth * done) / this.#total);
    const bar = '='.repeat(filled).padEnd(barWidth, '.');
    this.#stream.write(`\r${this.#title}[${bar}] ${done}/${this.#total}`);
  }

  end() {
    const seconds = ((performance.now() - this.#startedAt) / 1000).toFixed(1);
    const clear = this.#stream.isTTY ? '\r\x1b[K' : '';
    this.#stream.write(`${clear}${this.#title}${this.#total} ${this.#unit} in ${seconds} s\n`);
  }
}
