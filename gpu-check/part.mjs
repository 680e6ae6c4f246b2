/** One part, in the process that check.mjs has forked for it: `node part.mjs CONTEXT`. Sends what is planned, then each result. */

/** Detectors of the check that runs; they are closed after it. */
const kept = [];
const context = { ...JSON.parse(process.argv[2]), keep };
const { checks } = await import(`./${context.part}.mjs`);
const planned = checks(context);
await send({ planned: planned.map(({ name }) => name) });
for (const check of planned)
  await send({ result: { part: context.part, name: check.name, ...(await resultOf(check)) } });
process.disconnect();

/**
 * `run` returns `{ measured, asked?, isMet?, values? }`, or throws. What needs more GPUs than there are is skipped, as is expected; a
 * check without `asked` cannot fail by its figures.
 */
async function resultOf({ gpus = 0, run }) {
  const devices = context.cpu ? 0 : context.machine.devices.length;
  if (devices < gpus)
    return { status: 'skipped', isExpected: true, reason: `it needs ${gpus} GPU, there are ${devices}` };
  try {
    const { measured, asked, isMet = true, values } = await run(context);
    if (asked === undefined) return { status: 'measured', measured, values };
    return { status: isMet ? 'passed' : 'failed', measured, asked, values };
  } catch (error) {
    console.error(error);
    return { status: 'failed', reason: `${error.code ? `${error.code}: ` : ''}${error.message}` };
  } finally {
    for (const detector of kept.splice(0)) await detector.close();
  }
}

async function keep(creating) {
  const detector = await creating;
  kept.push(detector);
  return detector;
}

function send(message) {
  return new Promise((resolve, reject) => process.send(message, (error) => (error ? reject(error) : resolve())));
}
