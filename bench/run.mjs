/**
 * npm run bench: what docs/benchmarks.md quotes. Nothing else should run beside it; only ratios within one run count.
 *
 * The models come from the Python environment of the parity tests (`npm run test:parity` makes it).
 */
import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { outputOf, run } from '../scripts/steps/command.mjs';
import { main, Problem, root, say } from '../scripts/steps/project.mjs';

await main(async () => {
  const python = path.join(root, '.python', 'parity', 'bin', 'python');
  if (!existsSync(python))
    throw new Problem('The models of the benchmark need torchvision.', ['run `npm run test:parity` once']);
  const folder = path.join(root, 'build', 'bench');
  if (!existsSync(path.join(folder, 'resnet50.pt')))
    run(python, [path.join(root, 'bench', 'export_models.py'), folder]);

  say('machine', `${os.cpus()[0].model.trim()}, ${os.availableParallelism()} threads, Node ${process.version}`);
  for (const name of ['layers', 'memory', 'loop', 'tune']) {
    const result = outputOf(process.execPath, [path.join(root, 'bench', 'measurements.mjs'), name, folder]);
    if (result === null) throw new Problem(`The measurement '${name}' failed.`);
    say(name, result);
  }
});
