/** The commands of `nacue`, in the order of --help. */
import { bench } from './bench.js';
import { build } from './build.js';
import { calibrate } from './calibrate.js';
import type { CommandGroup, Commands } from './command.js';
import { completion } from './completion.js';
import { doctor } from './doctor.js';
import { evaluate } from './eval.js';
import { fit } from './fit.js';
import { inspect } from './inspect.js';
import { libtorchInstall } from './libtorch-install.js';
import { libtorchList } from './libtorch-list.js';
import { libtorchPath } from './libtorch-path.js';
import { libtorchRemove } from './libtorch-remove.js';
import { merge } from './merge.js';
import { report } from './report.js';
import { score } from './score.js';
import { tune } from './tune.js';

const libtorch: CommandGroup = {
  name: 'libtorch',
  summary: 'fetch LibTorch, and see which there are',
  commands: [libtorchInstall, libtorchList, libtorchPath, libtorchRemove],
};

export const commands: Commands = [
  inspect,
  fit,
  calibrate,
  score,
  evaluate,
  report,
  tune,
  merge,
  bench,
  libtorch,
  doctor,
  build,
  completion,
];
