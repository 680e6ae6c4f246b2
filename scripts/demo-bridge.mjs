/** npm run demo:bridge - the example of examples/python-bridge, from Python to Node.js and back. */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { quietThreads, run } from './steps/command.mjs';
import { buildForParityEnvironment, parityPython, provideParityEnvironment } from './steps/parity_environment.mjs';
import { main, root } from './steps/project.mjs';

await main(async () => {
  provideParityEnvironment();
  const env = { ...process.env, ...quietThreads, NACUE_LIBTORCH: await buildForParityEnvironment() };
  const example = (name) => path.join(root, 'examples', 'python-bridge', name);
  const folder = mkdtempSync(path.join(os.tmpdir(), 'nacue-bridge-'));
  try {
    run(parityPython, [example('in_python.py'), 'fit', folder], { env });
    run(process.execPath, [example('in_node.mjs'), folder], { env });
    run(parityPython, [example('in_python.py'), 'score', folder], { env });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
