/** A program that answers requests (serve.mjs), one line of JSON each, for as long as the benchmark runs. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { Problem, root } from '../scripts/steps/project.mjs';

export class Child {
  #program;
  #answers;
  #name;

  /** @param {string} name @param {string} program @param {string[]} args @param {NodeJS.ProcessEnv} env */
  constructor(name, program, args, env) {
    this.#name = name;
    this.#program = spawn(program, args, { cwd: root, env, stdio: ['pipe', 'pipe', 'inherit'] });
    this.#program.stdin.on('error', () => {}); // it has ended: that no answer comes says so
    this.#answers = createInterface({ input: this.#program.stdout })[Symbol.asyncIterator]();
  }

  /** Sends `{ do: what, ...values }` and waits for the answer. */
  async ask(what, values = {}) {
    this.#program.stdin.write(`${JSON.stringify({ do: what, ...values })}\n`);
    const { value, done } = await this.#answers.next();
    if (done) throw new Problem(`The process of ${this.#name} ended at '${what}'; what it said is above.`);
    return JSON.parse(value);
  }

  /** Lets it end by itself. */
  async end() {
    this.#program.stdin.end();
    await this.#answers.next();
  }
}
