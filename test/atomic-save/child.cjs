// One way to write states per run, in a process of its own: `node child.cjs SCENARIO FILE [ARGUMENT...]`. It prints "ready" before the
// first write; how it ends and what it leaves is checked by ../53.atomic-save.test.ts.
const fs = require('node:fs');
const path = require('node:path');

const model = path.join(__dirname, '..', 'fixtures', 'small.pt');

const writers = {
  /** What `save` does, without LibTorch. */
  atomic: () => require('../../dist/state.js').writeAtomically,
  /** What it must not do: shows that a kill is noticed. */
  plain: () => fs.promises.writeFile,
};

/** Writes two files in turn until it is killed. */
async function alternate(write, target, states) {
  fs.writeSync(1, 'ready\n');
  for (let time = 0; ; ++time) await write(target, states[time % 2]);
}

const restore = (state) => require('nacue').NACUE.restore(model, state, { numThreads: 1 });

const scenarios = {
  write: (target, writer, ...files) =>
    alternate(
      writers[writer](),
      target,
      files.map((file) => fs.readFileSync(file)),
    ),

  save: async (target, ...files) => {
    const detectors = await Promise.all(files.map(restore));
    await alternate((file, detector) => detector.save(file), target, detectors);
  },

  /** Saves once, without root's rights, and prints the code and the message of the failure. */
  async once(target, file, user) {
    const detector = await restore(file);
    if (user) process.setuid(Number(user));
    try {
      await detector.save(target);
      console.log('saved');
    } catch (error) {
      console.log(JSON.stringify({ name: error.name, code: error.code, message: error.message }));
    }
    await detector.close();
  },
};

const [name, ...options] = process.argv.slice(2);
process.on('unhandledRejection', (reason) => {
  console.error('unhandled rejection:', reason);
  process.exit(9);
});
scenarios[name](...options);
